"""Post-processing: from class probabilities to a label volume, all steps in one function.

    probabilities -> class weights, strongest class -> brain only -> small parts removed -> edema grown

Serving, evaluation and cross-validation call `postprocess`; the parameters come from the model card.
"""

from dataclasses import dataclass, replace

import cc3d
import numpy as np

from model.geometry import bounding_box
from model.labels import CORE, EDEMA, ENHANCING
from model.probabilities import ProbabilityAccumulator

# Neighbours across faces, edges and corners.
CONNECTIVITY = 26
# Steps of probability that thresholds are looked for in.
BINS = 200
# Less probable voxels count as certainly healthy when a threshold is looked for: a brain has a million
# of them, and tempering raises small probabilities most.
MIN_PROBABILITY = 0.02
# Edema never grows into voxels less probable than this. No patient of the experiments that chose the
# temperature needed less (0.23); below, uncertainty about half a brain could outweigh a small tumour.
MIN_GROWTH_PROBABILITY = 0.2


@dataclass(frozen=True)
class Postprocessing:
    """Parameters of the steps, as the model card holds them; 0 switches a step off.

    class_weights : factors on the probabilities of the classes before the strongest is chosen;
        a background below 1 finds more tumour
    min_component_ml : connected tumours (26 neighbours) smaller than this are dropped
    min_core_ml : connected tumour cores (core and enhancing tumour) smaller than this become edema
    min_enhancing_ml : less enhancing tumour than this in a case becomes core
    growth_temperature : then edema grows to where tumour is probable enough, in cases with all
        sequences; see `growth_threshold`
    """

    class_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    min_component_ml: float = 0.0
    min_core_ml: float = 0.0
    min_enhancing_ml: float = 0.0
    growth_temperature: float = 0.0

    def for_case(self, *, complete: bool) -> "Postprocessing":
        """Return the parameters for a case with all sequences (`complete`) or without some.

        Without FLAIR or T2 the networks are unsure everywhere, and growth cost 0.012 of Dice in whole
        tumour. So edema does not grow there.
        """
        return self if complete else replace(self, growth_temperature=0.0)


def postprocess(
    probabilities: ProbabilityAccumulator, brain: np.ndarray, parameters: Postprocessing
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and confidence, both (X, Y, Z) uint8 at 1 mm.

    brain : (X, Y, Z) bool; voxels outside it are background

    Labels are network indices; confidence is the probability of the label, 255 is 1.
    """
    labels, confidence = probabilities.strongest(parameters.class_weights)
    labels = without_small_parts(np.where(brain, labels, 0), parameters)
    if parameters.growth_temperature:
        tumour = probabilities.tumour()
        probable = tumour >= growth_threshold(tumour, parameters.growth_temperature)
        grown = touching(labels > 0, probable & brain)
        labels[grown], confidence[grown] = EDEMA, probabilities.confidence(grown, EDEMA)
    return labels, confidence


def without_small_parts(labels: np.ndarray, parameters: Postprocessing) -> np.ndarray:
    """Return labels (X, Y, Z) uint8 at 1 mm without small tumours, cores and enhancing parts."""
    labels = labels.copy()
    if not labels.any():
        return labels
    # The tumour's box alone: the brain is many times larger.
    tumour = labels[bounding_box(labels > 0)]
    tumour[_small_components(tumour > 0, parameters.min_component_ml)] = 0
    cores = (tumour == CORE) | (tumour == ENHANCING)
    tumour[_small_components(cores, parameters.min_core_ml)] = EDEMA
    enhancing = tumour == ENHANCING
    if np.count_nonzero(enhancing) < parameters.min_enhancing_ml * 1000:
        tumour[enhancing] = CORE
    return labels


def growth_threshold(tumour: np.ndarray, temperature: float) -> float:
    """Return the probability from which voxels are best called tumour, MIN_GROWTH_PROBABILITY to 1.

    tumour : probabilities of tumour, of any shape
    temperature : log-odds are divided by it first, since networks are more certain than they are right

    It is the threshold with the largest expected Dice, which is half of that Dice (Lipton et al., 2014,
    for the F1 score): near 0.5 for a tumour with clear borders, lower for a faint one. Edema has no
    sharp border; where a network is unsure of much of it, finding more outweighs false marks.
    """
    first = round(MIN_PROBABILITY * BINS)
    found = (tumour[tumour >= MIN_PROBABILITY] * BINS).astype(np.intp)
    # Rounding may leave a probability a little above 1, or put it below MIN_PROBABILITY.
    counts = np.bincount(np.clip(found, first, BINS - 1), minlength=BINS)[first:]
    middles = (np.arange(first, BINS) + 0.5) / BINS
    true = counts / (1 + (1 / middles - 1) ** (1 / temperature))
    marked, hit = (np.cumsum(values[::-1])[::-1] for values in (counts, true))
    expected_dice = 2 * hit / np.maximum(marked + true.sum(), 1)
    # Of equally good thresholds the highest: it marks no more than the others.
    best = np.flatnonzero(expected_dice >= expected_dice.max())[-1]
    return max(float(first + best) / BINS, MIN_GROWTH_PROBABILITY)


def touching(mask: np.ndarray, probable: np.ndarray) -> np.ndarray:
    """Return the `probable` voxels outside `mask` that are connected to it through each other.

    All (X, Y, Z) bool; 26 neighbours.
    """
    added = np.zeros_like(mask)
    together = mask | probable
    if not mask.any():
        return added
    box = bounding_box(together)
    parts = cc3d.connected_components(together[box], connectivity=CONNECTIVITY)
    reached = np.zeros(parts.max() + 1, bool)
    reached[parts[mask[box]]] = True
    added[box] = reached[parts] & ~mask[box]
    return added


def _small_components(mask: np.ndarray, min_ml: float) -> np.ndarray:
    """Return the voxels (X, Y, Z) at 1 mm in connected parts of `mask` of less than `min_ml`."""
    if not min_ml:
        return np.zeros_like(mask)
    # `dust` keeps components of at least the threshold. At 1 mm a voxel is a microlitre.
    return mask & ~cc3d.dust(mask, threshold=round(min_ml * 1000)).astype(bool)
