"""Lesion-wise scores as in the BraTS challenge of 2023.

On whole volumes, a patient with one large lesion and a missed small one scores well. Here each lesion
counts alike. Source: Saluja et al., "BraTS-2023-Metrics", and the challenge's description.
"""

import cc3d
import numpy as np
from scipy import ndimage

from training.scoring.scores import HD95_MISSING_MM, SHORT, dice, hd95_mm

# The regions that the challenge scores.
LESION_REGIONS = ("WT", "TC", "ET")

# Parts of the true mask closer than twice this many voxels are one lesion.
DILATION = 3
CONNECTIVITY = 26
# True lesions of at most this many voxels are not scored, whether found or not.
SMALLEST_LESION = 50


def score_lesions_by_region(
    truth: np.ndarray, predicted: np.ndarray, spacing_mm: np.ndarray
) -> dict[str, dict]:
    """Return `score_lesions` of WT, TC and ET for volumes of network indices."""
    return {
        short: score_lesions(
            np.isin(truth, SHORT[short]), np.isin(predicted, SHORT[short]), spacing_mm
        )
        for short in LESION_REGIONS
    }


def score_lesions(truth: np.ndarray, predicted: np.ndarray, spacing_mm: np.ndarray) -> dict:
    """Return mean lesion-wise Dice and HD95 of two masks (X, Y, Z), and lesions true and false.

    A predicted component belongs to every true lesion whose dilation it touches. Missed lesions, and
    components that touch no lesion, score Dice 0 and HD95 374 mm. Without lesions and components, Dice
    is 1 and HD95 0.
    """
    cut = _box_of(truth | predicted, DILATION + 1)
    truth, predicted = truth[cut], predicted[cut]
    structure = ndimage.generate_binary_structure(3, 3)
    dilated = ndimage.binary_dilation(truth, structure, DILATION) if truth.any() else truth
    lesions = cc3d.connected_components(dilated, connectivity=CONNECTIVITY)
    components = cc3d.connected_components(predicted, connectivity=CONNECTIVITY)
    scores, matched = [], set()
    for number in range(1, int(lesions.max(initial=0)) + 1):
        around = lesions == number
        lesion = truth & around
        touched = set(np.unique(components[around]).tolist()) - {0}
        matched |= touched
        if np.count_nonzero(lesion) <= SMALLEST_LESION:
            continue
        found = np.isin(components, list(touched)) if touched else np.zeros_like(predicted)
        scores.append((dice(lesion, found), hd95_mm(lesion, found, spacing_mm)))
    false = int(components.max(initial=0)) - len(matched)
    true = len(scores)
    scores += [(0.0, HD95_MISSING_MM)] * false
    means = np.mean(scores, axis=0) if scores else (1.0, 0.0)
    return {
        "dice": float(means[0]),
        "hd95_mm": float(means[1]),
        "lesions": true,
        "missed": sum(int(score == 0.0) for score, _ in scores[:true]),
        "false": false,
    }


def _box_of(mask: np.ndarray, margin: int) -> tuple[slice, ...]:
    """Return the slices around the True voxels, with a margin; nothing of an empty mask."""
    found = ndimage.find_objects(mask.astype(np.uint8))
    if not found:
        return (slice(0, 0),) * mask.ndim
    return tuple(slice(max(0, cut.start - margin), cut.stop + margin) for cut in found[0])
