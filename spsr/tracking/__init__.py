"""MLflow: an experiment for each preset, fed from files."""
