"""`python -m jaxmlp.report`: every experiment of the report, over many seeds."""
