"""`python -m jaxmlp.export`: a trained network as a file for other programs."""
