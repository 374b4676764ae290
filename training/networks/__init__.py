"""What is trained and how: losses, starting weights, normalisation, export of weights."""
