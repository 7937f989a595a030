"""`python -m jaxmlp.evaluate`: how good a trained network is, by scikit-learn's metrics."""
