"""From class probabilities to a label volume, and what is tidied in it."""

from dataclasses import dataclass

import cc3d
import numpy as np

from model.labels import CORE, ENHANCING


@dataclass(frozen=True)
class Postprocessing:
    """Parameters of the steps, as the model card holds them; 0 switches a step off.

    class_weights : factors on the probabilities of the classes before the strongest is chosen;
        a background below 1 finds more tumour
    min_component_ml : connected tumours (26 neighbours) smaller than this are dropped
    min_enhancing_ml : less enhancing tumour than this in a case becomes core
    """

    class_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    min_component_ml: float = 0.0
    min_enhancing_ml: float = 0.0


def tidied(labels: np.ndarray, parameters: Postprocessing) -> np.ndarray:
    """Return labels (X, Y, Z) uint8 at 1 mm without small islands and implausible specks."""
    labels = labels.copy()
    if parameters.min_component_ml:
        # `dust` keeps components of at least the threshold; voxels are microlitres at 1 mm.
        kept = cc3d.dust(labels > 0, threshold=round(parameters.min_component_ml * 1000))
        labels[~kept.astype(bool)] = 0
    enhancing = labels == ENHANCING
    if np.count_nonzero(enhancing) < parameters.min_enhancing_ml * 1000:
        labels[enhancing] = CORE
    return labels
