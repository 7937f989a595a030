"""Everything that touches the disk: configs, run directories, checkpoints, plots."""
