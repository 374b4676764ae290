"""Deep supervision: in training, coarser levels of the decoder predict classes, too.

Lee et al. (2015), "Deeply-supervised nets"; in U-Nets as in nnU-Net (Isensee et al., 2021).
"""

import functools
from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

from model.labels import CLASSES

# The decoder's levels at 1/16, 1/8 and 1/4, by the layers that enter the feature pyramid, and the edge of
# their pixels.
LEVELS = {"pyramid_0_relu": 16, "pyramid_1_relu": 8, "pyramid_2_relu": 4}


def with_heads(network: keras.Model) -> keras.Model:
    """Return MobileUNet with a head on each coarser level, sharing the layers of `network`.

    Its output (N, pixels, classes) holds the class probabilities of the network itself, row by row,
    then those of each level, the finest last.
    """
    outputs = [layers.Reshape((-1, CLASSES), name="pixels")(network.output)]
    for name in LEVELS:
        x = network.get_layer(name).output
        x = layers.Conv2D(CLASSES, 1, name=f"{name}_head")(x)
        x = layers.Softmax(dtype="float32", name=f"{name}_probabilities")(x)
        outputs.append(layers.Reshape((-1, CLASSES), name=f"{name}_pixels")(x))
    return keras.Model(network.input, layers.Concatenate(axis=1, name="levels")(outputs))


def at_all_levels(loss: Callable, weight: float) -> Callable:
    """Return `loss` plus `weight` times its mean over the coarser levels of `with_heads`."""

    @functools.wraps(loss)
    def deep(labels, outputs):
        whole, *coarser = _levels(labels, outputs)
        mean = sum(loss(labels, level) for level in coarser) / len(LEVELS)
        return loss(labels, whole) + weight * mean

    return deep


def at_full_resolution(metric: Callable) -> Callable:
    """Return `metric` of the network's own output, without the coarser levels."""

    @functools.wraps(metric)
    def of_network(labels, outputs):
        return metric(labels, _levels(labels, outputs)[0])

    return of_network


def _levels(labels, outputs) -> list:
    """Return the maps (N, H / scale, W / scale, classes) that `with_heads` joined."""
    height, width = labels.shape[1:3]
    sides = [(height // scale, width // scale) for scale in (1, *LEVELS.values())]
    ends = np.cumsum([rows * columns for rows, columns in sides])[:-1].tolist()
    maps = zip(ops.split(outputs, ends, axis=1), sides, strict=True)
    return [ops.reshape(level, (-1, *side, CLASSES)) for level, side in maps]
