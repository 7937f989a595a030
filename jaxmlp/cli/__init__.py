"""What the commands share: parsing, errors as one line, exit codes, signals, devices, progress."""
