"""Many networks as one program, on the devices of one process."""
