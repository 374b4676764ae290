"""Deep supervision: coarser levels of the decoder answer, too, while a network is trained.

Lee et al. (2015), "Deeply-supervised nets"; in U-Nets as in nnU-Net (Isensee et al., 2021).
"""

import functools
from collections.abc import Callable

import keras
from keras import layers, ops

from model.labels import CLASSES

# The decoder's levels at 1/16, 1/8 and 1/4, as they enter the feature pyramid; pixels of each.
LEVELS = {"pyramid_0_relu": 16, "pyramid_1_relu": 8, "pyramid_2_relu": 4}


def with_heads(network: keras.Model) -> keras.Model:
    """Return MobileUNet with a head on each coarser level, sharing the layers of `network`.

    Its output (N, H, W, 4 * classes) is that of `network`, then the class probabilities of each
    level, finer ones last, every pixel repeated up to full resolution.
    """
    outputs = [network.output]
    for name, scale in LEVELS.items():
        x = network.get_layer(name).output
        x = layers.Conv2D(CLASSES, 1, name=f"{name}_head")(x)
        x = layers.Softmax(dtype="float32", name=f"{name}_probabilities")(x)
        outputs.append(layers.UpSampling2D(scale, name=f"{name}_repeat")(x))
    return keras.Model(network.input, layers.Concatenate(name="levels")(outputs))


def at_all_levels(loss: Callable, weight: float) -> Callable:
    """Return `loss` plus `weight` times its mean over the coarser levels of `with_heads`."""

    @functools.wraps(loss)
    def deep(labels, outputs):
        whole, *coarser = ops.split(outputs, 1 + len(LEVELS), axis=-1)
        mean = sum(loss(labels, level) for level in coarser) / len(LEVELS)
        return loss(labels, whole) + weight * mean

    return deep


def at_full_resolution(metric: Callable) -> Callable:
    """Return `metric` of what the network itself answers."""

    @functools.wraps(metric)
    def of_network(labels, outputs):
        return metric(labels, outputs[..., :CLASSES])

    return of_network
