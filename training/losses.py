"""The training loss: cross-entropy plus soft Dice over the regions that are scored."""

import keras
from keras import ops

from model.labels import CLASSES, DERIVED, REGIONS

# Every region and derived region as the classes that it joins.
SCORED = tuple((region.index,) for region in REGIONS) + tuple(DERIVED.values())


def region_dice(labels, probabilities, smooth: float = 1.0):
    """Return the mean soft Dice over SCORED, each over the whole batch (Milletari et al., 2016).

    `labels` (N, H, W) integers, `probabilities` (N, H, W, classes). The batch is one volume, so
    that slices without a region do not dominate.
    """
    truth = ops.one_hot(ops.cast(labels, "int32"), CLASSES)
    scores = []
    for classes in SCORED:
        expected = sum(truth[..., index] for index in classes)
        predicted = sum(probabilities[..., index] for index in classes)
        overlap = 2.0 * ops.sum(expected * predicted) + smooth
        scores.append(overlap / (ops.sum(expected) + ops.sum(predicted) + smooth))
    return sum(scores) / len(scores)


@keras.saving.register_keras_serializable("brats_mobileunet")
def dice_cross_entropy(labels, probabilities):
    """Return cross-entropy + (1 - region Dice), a scalar."""
    entropy = keras.losses.sparse_categorical_crossentropy(ops.cast(labels, "int32"), probabilities)
    return ops.mean(entropy) + 1.0 - region_dice(labels, probabilities)
