"""`python -m jaxmlp.train`: one network, trained in a run directory."""
