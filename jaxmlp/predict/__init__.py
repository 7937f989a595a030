"""`python -m jaxmlp.predict`: what a trained network says of tables and images."""
