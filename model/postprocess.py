"""From class probabilities to a label volume, and what is tidied in it."""

from dataclasses import dataclass

import cc3d
import numpy as np

from model.geometry import bounding_box
from model.labels import CORE, EDEMA, ENHANCING


@dataclass(frozen=True)
class Postprocessing:
    """Parameters of the steps, as the model card holds them; 0 switches a step off.

    class_weights : factors on the probabilities of the classes before the strongest is chosen;
        a background below 1 finds more tumour
    min_component_ml : connected tumours (26 neighbours) smaller than this are dropped
    min_core_ml : connected tumour cores (core and enhancing tumour) smaller than this become edema
    min_enhancing_ml : less enhancing tumour than this in a case becomes core
    growth_temperature : then edema of a case with all sequences grows to where tumour has the probability
        with the largest expected Dice, at this temperature; see `model.growth`
    """

    class_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    min_component_ml: float = 0.0
    min_core_ml: float = 0.0
    min_enhancing_ml: float = 0.0
    growth_temperature: float = 0.0


def tidied(labels: np.ndarray, parameters: Postprocessing) -> np.ndarray:
    """Return labels (X, Y, Z) uint8 at 1 mm without small islands and implausible specks."""
    labels = labels.copy()
    if not labels.any():
        return labels
    # Looked for in the tumour's box alone: a brain is many times larger.
    tumour = labels[bounding_box(labels > 0)]
    tumour[_specks(tumour > 0, parameters.min_component_ml)] = 0
    cores = (tumour == CORE) | (tumour == ENHANCING)
    tumour[_specks(cores, parameters.min_core_ml)] = EDEMA
    enhancing = tumour == ENHANCING
    if np.count_nonzero(enhancing) < parameters.min_enhancing_ml * 1000:
        tumour[enhancing] = CORE
    return labels


def _specks(mask: np.ndarray, min_ml: float) -> np.ndarray:
    """Return the voxels (X, Y, Z) at 1 mm in connected parts of `mask` of less than `min_ml`."""
    if not min_ml:
        return np.zeros_like(mask)
    # `dust` keeps components of at least the threshold; voxels are microlitres at 1 mm.
    return mask & ~cc3d.dust(mask, threshold=round(min_ml * 1000)).astype(bool)
