"""`python -m jaxmlp.bench`: how fast the trainer is here, beside other libraries and the machine's limit."""
