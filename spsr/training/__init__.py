"""The training engine: sampling, the loop, checkpoints, and what it takes to go on after any interruption."""
