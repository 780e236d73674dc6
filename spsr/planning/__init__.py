"""What the trainings of a preset will cost, before anything is launched."""
