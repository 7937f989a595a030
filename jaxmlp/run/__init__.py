"""One run directory: its config, files, checkpoints and model."""
