"""How far edema reaches: from the tumour that was found to where tumour is probable enough.

Edema has no sharp border, and where a network is unsure of much of it, fewer misses make up for more
false marks: the threshold with the largest expected Dice is half of that Dice (Lipton et al., 2014, of the
F1 score), near one half for a tumour with clear borders and lower for a faint one.
"""

import cc3d
import numpy as np

from model.geometry import bounding_box

BINS = 200
# What is less probable than this counts as certainly none: there are a million such voxels in a brain,
# and tempering raises them most.
LEAST = 0.02
# Edema grows no further than this. No patient of the experiments that chose the temperature needed less
# (0.23), and beyond, doubt about half a brain could outweigh a small tumour.
FLOOR = 0.2


def best_threshold(tumour: np.ndarray, temperature: float) -> float:
    """Return from which probability on voxels are best called tumour, FLOOR to 1.

    tumour : probabilities, of any shape
    temperature : log-odds are divided by it first, since networks are surer than they are right
    """
    first = round(LEAST * BINS)
    found = (tumour[tumour >= LEAST] * BINS).astype(np.intp)
    # Rounding may leave a probability a little above 1, or put it below LEAST.
    counts = np.bincount(np.clip(found, first, BINS - 1), minlength=BINS)[first:]
    middles = (np.arange(first, BINS) + 0.5) / BINS
    true = counts / (1 + (1 / middles - 1) ** (1 / temperature))
    marked, hit = (np.cumsum(values[::-1])[::-1] for values in (counts, true))
    expected_dice = 2 * hit / np.maximum(marked + true.sum(), 1)
    # Where nothing lies between two thresholds they are equally good, and the higher one marks no more.
    best = np.flatnonzero(expected_dice >= expected_dice.max())[-1]
    return max(float(first + best) / BINS, FLOOR)


def growth(mask: np.ndarray, probable: np.ndarray) -> np.ndarray:
    """Return the `probable` voxels outside `mask` that touch it, or one another up to it.

    All (X, Y, Z) bool; of 26 neighbours.
    """
    added = np.zeros_like(mask)
    together = mask | probable
    if not mask.any():
        return added
    box = bounding_box(together)
    parts = cc3d.connected_components(together[box], connectivity=26)
    reached = np.zeros(parts.max() + 1, bool)
    reached[parts[mask[box]]] = True
    added[box] = reached[parts] & ~mask[box]
    return added
