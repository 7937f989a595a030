"""`python -m jaxmlp.sweep`: a whole grid of trainings in a directory."""
