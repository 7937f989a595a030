"""The data: examples are read and checked as NumPy arrays, then split and normalised."""
