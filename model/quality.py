"""How accurate a segmentation is likely to be, as far as the model itself can tell."""

import numpy as np

from model.labels import CORE, EDEMA, ENHANCING
from model.planes import as_slices
from model.probabilities import ProbabilityAccumulator

# Voxels that are less probably tumour count as certainly healthy: a brain has a million of them.
MIN_PROBABILITY = 0.02
REGIONS = {
    "WT": (CORE, EDEMA, ENHANCING),
    "TC": (CORE, ENHANCING),
    "ET": (ENHANCING,),
}


def expected_dice(probability: np.ndarray, marked: np.ndarray) -> float | None:
    """Return the Dice that a mask has on average if every voxel is right with its probability.

    probability : of the region, of any shape
    marked : bool, the same shape; None is returned where nothing is marked

    It is the ratio of expected values, as for the F1 score (Lipton et al., 2014). It is too high, since
    networks are surer than they are right, but it ranks cases as their true Dice does.
    """
    if not marked.any():
        return None
    return float(2 * probability[marked].sum() / (marked.sum() + probability.sum()))


def expected_by_region(
    probabilities: ProbabilityAccumulator, labels: np.ndarray
) -> dict[str, float]:
    """Return the expected Dice of whole tumour, tumour core and enhancing tumour, as far as marked.

    labels : (X, Y, Z) uint8 network indices
    """
    asked = (probabilities.tumour() >= MIN_PROBABILITY) | (labels > 0)
    means = probabilities.by_slices(asked)
    marked = as_slices(labels, "axial")[as_slices(asked, "axial")]
    found = {
        short: expected_dice(means[:, classes].sum(axis=1), np.isin(marked, classes))
        for short, classes in REGIONS.items()
    }
    return {short: dice for short, dice in found.items() if dice is not None}
