"""The mathematics of the network: JAX only, pure, no input or output."""
