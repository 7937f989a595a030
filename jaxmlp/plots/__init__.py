"""Pictures of runs and sweeps, and the frame of a page."""
