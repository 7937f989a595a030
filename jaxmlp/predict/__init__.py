"""`python -m jaxmlp.predict`: what a trained network sees in images."""
