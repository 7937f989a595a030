"""Where the examples come from: found, read and checked as NumPy arrays, then split and normalised."""
