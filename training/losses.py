"""Training losses: cross-entropy, alone or with soft Dice."""

import keras
from keras import ops

from model.labels import CLASSES, DERIVED, REGIONS

CLASS_REGIONS = tuple((region.index,) for region in REGIONS)
# Every region and derived region as the classes that it joins.
SCORED = CLASS_REGIONS + tuple(DERIVED.values())


def region_dice(labels, probabilities, regions=SCORED, smooth: float = 1.0):
    """Return the mean soft Dice over `regions`, each over the whole batch (Milletari et al., 2016).

    `labels` (N, H, W) integers, `probabilities` (N, H, W, classes). The batch is one volume, so
    that slices without a region do not dominate.
    """
    truth = ops.one_hot(ops.cast(labels, "int32"), CLASSES)
    scores = []
    for classes in regions:
        expected = sum(truth[..., index] for index in classes)
        predicted = sum(probabilities[..., index] for index in classes)
        overlap = 2.0 * ops.sum(expected * predicted) + smooth
        scores.append(overlap / (ops.sum(expected) + ops.sum(predicted) + smooth))
    return sum(scores) / len(scores)


def cross_entropy(labels, probabilities):
    """Return the mean cross-entropy over voxels, a scalar."""
    entropy = keras.losses.sparse_categorical_crossentropy(ops.cast(labels, "int32"), probabilities)
    return ops.mean(entropy)


def class_dice_cross_entropy(labels, probabilities):
    """Return cross-entropy + (1 - Dice of the three classes), a scalar."""
    dice = region_dice(labels, probabilities, CLASS_REGIONS)
    return cross_entropy(labels, probabilities) + 1.0 - dice


def region_dice_cross_entropy(labels, probabilities):
    """Return cross-entropy + (1 - Dice of all scored regions), a scalar."""
    return cross_entropy(labels, probabilities) + 1.0 - region_dice(labels, probabilities)


LOSSES = {
    "cross_entropy": cross_entropy,
    "class_dice": class_dice_cross_entropy,
    "region_dice": region_dice_cross_entropy,
}
