"""Small lesions that are marked, but may not be there: found for a warning, never removed."""

from dataclasses import dataclass

import cc3d
import numpy as np

from model.geometry import bounding_box
from model.labels import ENHANCING

CONNECTIVITY = 26
# Smaller lesions are looked at. Half a millilitre is a ball of 10 mm, the least that RANO measures.
SMALL_ML = 0.5
# Lesions that are less probable are uncertain.
SURE = 0.8


@dataclass(frozen=True)
class SmallLesion:
    """A small uncertain lesion: a separate tumour ("WT"), or all that enhances in a case ("ET").

    probability : mean calibrated probability of its voxels' classes, 0 to 1
    """

    short: str
    volume_ml: float
    probability: float


def small_uncertain(labels: np.ndarray, confidence: np.ndarray) -> tuple[SmallLesion, ...]:
    """Return the small uncertain lesions of a case, the largest first.

    labels : (X, Y, Z) uint8 network indices at 1 mm
    confidence : (X, Y, Z) uint8, calibrated probability of the label, 255 is 1
    """
    if not labels.any():
        return ()
    # The tumour's box alone: the brain is many times larger.
    box = bounding_box(labels > 0)
    labels, confidence = labels[box], confidence[box]
    parts = cc3d.connected_components(labels > 0, connectivity=CONNECTIVITY)
    found = _lesions("WT", parts, confidence)
    found += _lesions("ET", (labels == ENHANCING).astype(np.uint8), confidence)
    uncertain = [one for one in found if one.volume_ml < SMALL_ML and one.probability < SURE]
    return tuple(sorted(uncertain, key=lambda one: -one.volume_ml))


def _lesions(short: str, parts: np.ndarray, confidence: np.ndarray) -> list[SmallLesion]:
    """Return the lesions of an array of numbered parts (X, Y, Z), 0 for none."""
    inside = parts > 0
    numbers = parts[inside]
    sizes = np.bincount(numbers)
    sums = np.bincount(numbers, confidence[inside]) / 255
    # At 1 mm a voxel is a microlitre.
    return [
        SmallLesion(short, float(size) / 1000, float(total / size))
        for size, total in zip(sizes, sums, strict=True)
        if size
    ]
