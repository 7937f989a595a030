"""`python -m jaxmlp.bench`: how fast the trainer is on this machine, beside other libraries and beside the machine's limit."""
