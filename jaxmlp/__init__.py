"""jaxmlp."""
