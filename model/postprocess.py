"""Post-processing: from class probabilities to a label volume, all steps in one function.

    probabilities -> class weights, strongest class -> brain only -> improbable small parts removed
    -> edema grown -> confidence calibrated

Serving, evaluation and cross-validation call `postprocess`; the parameters come from the model card.
"""

from dataclasses import dataclass, replace

import cc3d
import numpy as np

from model.geometry import bounding_box
from model.labels import CLASSES, CORE, EDEMA, ENHANCING
from model.probabilities import ProbabilityAccumulator, calibrated

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
TUMOUR = (CORE, EDEMA, ENHANCING)


@dataclass(frozen=True)
class Postprocessing:
    """Parameters of the steps, as the model card holds them; 0 switches a step off.

    class_weights : factors on the probabilities of the classes before the strongest is chosen;
        a background below 1 finds more tumour
    temperatures : by class, what the log-odds of a voxel's class are divided by to calibrate them
    min_component_ml : connected tumours (26 neighbours) smaller than this are dropped if improbable
    min_core_ml : improbable tumour cores (core and enhancing tumour) smaller than this become edema
    min_enhancing_ml : improbable parts of enhancing tumour smaller than this become what is next
        likely, core or edema
    keep_probability : a small part stays if its voxels are right with at least this calibrated
        probability on average; 1: none stays
    growth_temperature : then edema grows to where tumour is probable enough, in cases with all
        sequences; see `growth_threshold`
    """

    class_weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    temperatures: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    min_component_ml: float = 0.0
    min_core_ml: float = 0.0
    min_enhancing_ml: float = 0.0
    keep_probability: float = 1.0
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

    Labels are network indices; confidence is the calibrated probability of the label, 255 is 1.
    """
    strongest, confidence = probabilities.strongest(parameters.class_weights)
    labels = without_doubtful_parts(np.where(brain, strongest, 0), probabilities, parameters)
    if parameters.growth_temperature:
        tumour = probabilities.tumour()
        probable = tumour >= growth_threshold(tumour, parameters.growth_temperature)
        labels[touching(labels > 0, probable & brain)] = EDEMA
    changed = (labels != strongest) & brain
    confidence[changed] = probabilities.confidence(changed, labels[changed])
    return labels, calibration_table(parameters.temperatures)[labels, confidence]


def without_doubtful_parts(
    labels: np.ndarray, probabilities: ProbabilityAccumulator, parameters: Postprocessing
) -> np.ndarray:
    """Return labels (X, Y, Z) uint8 at 1 mm without small improbable tumours, cores, enhancing parts."""
    labels = labels.copy()
    if not labels.any():
        return labels
    # The tumour's box alone: the brain is many times larger.
    box = bounding_box(labels > 0)
    tumour, inside = labels[box], probabilities.cut(box)
    for classes, min_ml in (
        (TUMOUR, parameters.min_component_ml),
        ((CORE, ENHANCING), parameters.min_core_ml),
        ((ENHANCING,), parameters.min_enhancing_ml),
    ):
        where = doubtful(np.isin(tumour, classes), classes, inside, min_ml, parameters)
        tumour[where] = _next_likely(classes, inside, where, parameters.class_weights)
    return labels


def doubtful(
    mask: np.ndarray,
    classes: tuple[int, ...],
    probabilities: ProbabilityAccumulator,
    min_ml: float,
    parameters: Postprocessing,
) -> np.ndarray:
    """Return the voxels (X, Y, Z) at 1 mm in small connected parts of `mask` that are improbable.

    classes : those of the mask's voxels

    A voxel that is marked adds to the expected Dice where its probability is above half of that Dice
    (Lipton et al., 2014, for the F1 score). For a part it is the mean over its voxels; by lesion-wise
    scores, where a false lesion counts as much as a missed one, the limit is near a half as well.
    """
    parts = cc3d.connected_components(mask, connectivity=CONNECTIVITY)
    sizes = np.bincount(parts.ravel())
    # At 1 mm a voxel is a microlitre.
    small = sizes < round(min_ml * 1000)
    small[0] = False
    where = small[parts]
    if not small.any():
        return where
    temperature = parameters.temperatures[classes[-1]]
    probable = calibrated(probabilities.of(where, classes), temperature)
    means = np.bincount(parts[where], probable, len(sizes)) / np.maximum(sizes, 1)
    return (small & (means < parameters.keep_probability))[parts]


def calibration_table(temperatures: tuple[float, ...]) -> np.ndarray:
    """Return the calibrated confidence by class and confidence, (classes, 256) uint8; 255 is 1."""
    confidence = np.arange(256) / 255
    rows = [calibrated(confidence, temperature) for temperature in temperatures]
    return np.rint(np.stack(rows) * 255).astype(np.uint8)


def _next_likely(
    classes: tuple[int, ...],
    probabilities: ProbabilityAccumulator,
    where: np.ndarray,
    class_weights: tuple[float, ...],
) -> np.ndarray:
    """Return the class of the voxels `where`, of those that hold more than `classes` do.

    Without tumour there is background, without a core edema, without enhancement core or edema.
    """
    if set(classes) == {CORE, ENHANCING}:
        others = (EDEMA,)
    else:
        others = tuple(set(range(CLASSES)) - set(classes) - ({0} if len(classes) == 1 else set()))
    weighted = [probabilities.of(where, (index,)) * class_weights[index] for index in others]
    return np.array(others, np.uint8)[np.argmax(weighted, axis=0)]


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
    true = counts * calibrated(middles, temperature)
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
