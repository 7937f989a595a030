"""`python -m jaxmlp.perceptron`: one layer that learns from one random example after another."""
