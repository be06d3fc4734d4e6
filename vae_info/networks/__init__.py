"""The networks of a beta-VAE, and the layers that they are made of."""
