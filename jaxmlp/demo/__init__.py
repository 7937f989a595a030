"""`python -m jaxmlp.demo`: a trained network as one page that runs it."""
