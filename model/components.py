"""Connected parts of masks (X, Y, Z) bool."""

import cc3d
import numpy as np


def largest_component(mask: np.ndarray) -> np.ndarray:
    """Return the largest connected part of a mask; of an empty one, the same."""
    return cc3d.largest_k(mask, k=1).astype(bool)


def without_holes(mask: np.ndarray) -> np.ndarray:
    """Return a mask with all that it encloses."""
    outside = np.pad(~mask, 1, constant_values=True)
    parts = cc3d.connected_components(outside, connectivity=6)
    return (parts != parts[0, 0, 0])[1:-1, 1:-1, 1:-1]
