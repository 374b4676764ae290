"""Running the networks on a case: slices in, class probabilities out."""
