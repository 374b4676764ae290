"""The two networks, in backend-neutral Keras: the Simple U-Net baseline and MobileUNet.

Both map slices `(N, H, W, C)`, `H` and `W` multiples of 32, to class probabilities `(N, H, W, 4)`.
"""

from collections.abc import Callable

import keras
from keras import layers

# Keras' MobileNetV2 uses 0.999, whose averages need thousands of steps to follow the weights.
BATCH_NORM_MOMENTUM = 0.98


def simple_unet(
    channels: int, classes: int = 4, *, width: int = 32, dropout: float = 0.2
) -> keras.Model:
    """Return the baseline, after Ronneberger et al. (2015).

    Convolutions, max pooling, dropout and transposed convolutions; `width` filters at full
    resolution, doubled at each of the three poolings; about 2 M parameters.
    """
    inputs = keras.Input((None, None, channels), name="slices")
    skips, x = [], inputs
    for level in range(3):
        x = _double_conv(x, width * 2**level)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dropout(dropout)(_double_conv(x, width * 8))
    for level in reversed(range(3)):
        x = layers.Conv2DTranspose(width * 2**level, 2, strides=2)(x)
        x = layers.Concatenate()([x, skips[level]])
        x = _double_conv(x, width * 2**level)
    return keras.Model(inputs, _head(x, classes), name="simple_unet")


def mobile_unet(
    channels: int,
    classes: int = 4,
    *,
    decoder: tuple[int, ...] = (256, 128, 96, 64),
    dropout: float = 0.2,
) -> keras.Model:
    """Return MobileUNet: MobileNetV2 (Sandler et al., 2018) and a separable decoder.

    Skip connections join them, and the decoder's levels at 1/16, 1/8 and 1/4 are summed as a
    feature pyramid into the one at 1/2 (Lin et al., 2017; the sum as in Kirillov et al., 2019).
    Nothing is computed at full resolution: each 2x2 block of input pixels joins the last level as
    channels, and a transposed convolution turns that level into 2x2 blocks of classes (sub-pixel
    convolution, Shi et al., 2016), which halves the time.
    `decoder` gives the filters at 1/16, 1/8, 1/4 and 1/2.
    """
    inputs = keras.Input((None, None, channels), name="slices")
    backbone = keras.applications.MobileNetV2(
        input_tensor=inputs, alpha=1.0, include_top=False, weights=None
    )
    skips = [
        backbone.get_layer(name).output
        for name in (
            "block_13_expand_relu",
            "block_6_expand_relu",
            "block_3_expand_relu",
            "block_1_expand_relu",
        )
    ]
    x = layers.Dropout(dropout)(backbone.get_layer("block_16_project_BN").output)
    pyramid = []
    for level, (filters, skip) in enumerate(zip(decoder, skips, strict=True)):
        x = _conv(x, filters, 1, name=f"decoder_{level}_reduce")
        x = layers.UpSampling2D(interpolation="bilinear")(x)
        x = layers.Concatenate()([x, skip])
        x = _separable(x, filters, name=f"decoder_{level}_a")
        x = _separable(x, filters, name=f"decoder_{level}_b")
        if level < len(decoder) - 1:
            lateral = _conv(x, decoder[-1], 1, name=f"pyramid_{level}")
            scale = 2 ** (len(decoder) - 1 - level)
            pyramid.append(layers.UpSampling2D(scale, interpolation="bilinear")(lateral))
    x = layers.Add(name="pyramid")([x, *pyramid])
    pixels = _conv(inputs, decoder[-1] // 2, 2, strides=2, name="pixels")
    x = _separable(layers.Concatenate()([x, pixels]), decoder[-1], name="fuse")
    model = keras.Model(inputs, _head(x, classes, strides=2), name="mobile_unet")
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    return model


NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "simple_unet": simple_unet,
    "mobile_unet": mobile_unet,
}


def _conv(x, filters: int, size: int, strides: int = 1, name: str | None = None):
    """Convolution, batch normalisation, ReLU6 (bounded, so safe in 16-bit floats)."""
    suffix = (lambda part: f"{name}_{part}") if name else (lambda _: None)
    x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False, name=suffix("conv"))(
        x
    )
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=suffix("bn"))(x)
    return layers.ReLU(6.0, name=suffix("relu"))(x)


def _double_conv(x, filters: int):
    return _conv(_conv(x, filters, 3), filters, 3)


def _separable(x, filters: int, name: str):
    """Depthwise 3x3 then pointwise 1x1: about an eighth of a dense convolution's work."""
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    return _conv(x, filters, 1, name=name)


def _head(x, classes: int, strides: int = 1):
    """Class probabilities, in float32 whatever the compute policy."""
    if strides == 1:
        x = layers.Conv2D(classes, 1, name="logits")(x)
    else:
        x = layers.Conv2DTranspose(classes, strides, strides, name="logits")(x)
    return layers.Softmax(dtype="float32", name="probabilities")(x)
