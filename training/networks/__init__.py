"""Training of networks: losses, starting weights, normalisation, and their files."""
