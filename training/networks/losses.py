"""Training losses: cross-entropy, alone or with soft Dice."""

import keras
import numpy as np
from keras import ops

from model.labels import CLASSES, DERIVED, REGIONS
from training.networks.replicas import summed

CLASS_REGIONS = tuple((region.index,) for region in REGIONS)
# Every region and derived region as the classes that it joins.
SCORED = CLASS_REGIONS + tuple(DERIVED.values())


def region_dice(labels, probabilities, regions=SCORED, smooth: float = 1.0):
    """Return the mean soft Dice over `regions`, each over the whole batch (Milletari et al., 2016).

    labels : (N, H, W) integers
    probabilities : (N, H / s, W / s, classes) for any s; the result is that of each pixel repeated s
        times along both axes

    The whole batch is scored as one volume, also where several devices share it, so that slices
    without a region do not dominate.
    """
    overlaps, truths, found = _overlaps(labels, probabilities, regions)
    return ops.mean((2.0 * overlaps + smooth) / (truths + found + smooth))


def focal_tversky(labels, probabilities, regions=SCORED, smooth: float = 1.0):
    """Return the mean focal Tversky loss over `regions` (Abraham & Khan, 2019), shapes as in `region_dice`.

    What is missed counts more than what is found too much, and regions that are found badly, as small ones
    are, more than those found well; weights and exponent are the paper's.
    """
    overlaps, truths, found = _overlaps(labels, probabilities, regions)
    missed, false = truths - overlaps, found - overlaps
    index = (overlaps + smooth) / (overlaps + 0.7 * missed + 0.3 * false + smooth)
    return ops.mean((1.0 - index + keras.config.epsilon()) ** 0.75)


def _overlaps(labels, probabilities, regions):
    """Return, by region, voxels in truth and prediction, in truth, and in prediction, all soft."""
    truth, voxels = _truth(labels, probabilities)
    truth, probabilities = [ops.reshape(x, (-1, CLASSES)) for x in (truth, probabilities)]
    # Voxels by true class (rows) and predicted class. Regions are sums of it: slicing channels out
    # instead took a sixth of a training step on a CPU, with deep supervision.
    confusion = voxels * ops.matmul(ops.transpose(truth), probabilities)
    truths, found = voxels * ops.sum(truth, axis=0), voxels * ops.sum(probabilities, axis=0)
    confusion, truths, found = summed([confusion, truths, found])
    members = np.array([[index in classes for index in range(CLASSES)] for classes in regions])
    members = ops.cast(members, "float32")
    overlaps = ops.sum(ops.matmul(members, confusion) * members, axis=1)
    return overlaps, *(ops.sum(members * sizes, axis=1) for sizes in (truths, found))


def cross_entropy(labels, probabilities):
    """Return the mean cross-entropy over voxels, a scalar; shapes as in `region_dice`."""
    truth, _ = _truth(labels, probabilities)
    log = ops.log(ops.maximum(probabilities, keras.config.epsilon()))
    return -ops.mean(ops.sum(truth * log, axis=-1))


def class_dice_cross_entropy(labels, probabilities):
    """Return cross-entropy + (1 - Dice of the three classes), a scalar."""
    dice = region_dice(labels, probabilities, CLASS_REGIONS)
    return cross_entropy(labels, probabilities) + 1.0 - dice


def region_dice_cross_entropy(labels, probabilities):
    """Return cross-entropy + (1 - Dice of all scored regions), a scalar."""
    return cross_entropy(labels, probabilities) + 1.0 - region_dice(labels, probabilities)


def focal_tversky_cross_entropy(labels, probabilities):
    """Return cross-entropy + focal Tversky of all scored regions, a scalar."""
    return cross_entropy(labels, probabilities) + focal_tversky(labels, probabilities)


def _truth(labels, probabilities):
    """Return the share of each class in the voxels of a pixel, and the number of these voxels."""
    truth = ops.one_hot(ops.cast(labels, "int32"), CLASSES)
    scale = labels.shape[1] // probabilities.shape[1]
    if scale > 1:
        truth = ops.average_pool(truth, scale)
    return truth, float(scale**2)


LOSSES = {
    "cross_entropy": cross_entropy,
    "class_dice": class_dice_cross_entropy,
    "region_dice": region_dice_cross_entropy,
    "focal_tversky": focal_tversky_cross_entropy,
}
