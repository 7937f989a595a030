"""`python -m jaxmlp.runs`: run directories side by side: a table of them, one of them, and whether they differ."""
