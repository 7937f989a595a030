"""What turns gradients into a trained network: pure functions."""
