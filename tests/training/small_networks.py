"""Networks of a few layers in place of the real ones, for tests of what is done with networks."""

import functools

import keras
from keras import layers

from model.networks import simple_unet

narrow_unet = functools.partial(simple_unet, width=4, dropout=0.0)


def tiny_unet(channels: int, classes: int = 4, *, dropout: float = 0.0) -> keras.Model:
    """Return a network with the layers that training knows by name in MobileUNet.

    Its levels at 1/16, 1/8 and 1/4 have eight filters each; a depthwise convolution follows them.
    """
    inputs = keras.Input((None, None, channels), name="slices")
    x = skip = _block(inputs, "half")
    skips = []
    for level in (2, 1, 0):
        x = _block(x, f"pyramid_{level}")
        skips.append(layers.UpSampling2D(2 ** (3 - level), interpolation="bilinear")(x))
    x = layers.Add()([skip, *skips])
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.Dropout(dropout)(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Conv2DTranspose(classes, 2, 2, name="logits")(x)
    return keras.Model(inputs, layers.Softmax(dtype="float32", name="probabilities")(x))


def _block(x, name: str):
    """Half the resolution, by a convolution of eight filters."""
    x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)
