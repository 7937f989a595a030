"""`python -m jaxmlp.gradcheck`: the three routes to the gradient, compared weight by weight."""
