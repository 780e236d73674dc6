"""What went wrong in a training: the autopsy of a step, and a comparison of two executions."""
