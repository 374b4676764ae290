"""Training losses: cross-entropy, alone or with soft Dice."""

import keras
from keras import ops

from model.labels import CLASSES, DERIVED, REGIONS
from training.replicas import summed

CLASS_REGIONS = tuple((region.index,) for region in REGIONS)
# Every region and derived region as the classes that it joins.
SCORED = CLASS_REGIONS + tuple(DERIVED.values())


def region_dice(labels, probabilities, regions=SCORED, smooth: float = 1.0):
    """Return the mean soft Dice over `regions`, each over the whole batch (Milletari et al., 2016).

    `labels` (N, H, W) integers, `probabilities` (N, H, W, classes). The batch is one volume, so
    that slices without a region do not dominate, however many devices share it.
    """
    truth = ops.one_hot(ops.cast(labels, "int32"), CLASSES)
    overlaps, sizes = [], []
    for classes in regions:
        expected = sum(truth[..., index] for index in classes)
        predicted = sum(probabilities[..., index] for index in classes)
        overlaps.append(2.0 * ops.sum(expected * predicted))
        sizes.append(ops.sum(expected) + ops.sum(predicted))
    overlaps, sizes = summed([ops.stack(overlaps), ops.stack(sizes)])
    return ops.mean((overlaps + smooth) / (sizes + smooth))


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
