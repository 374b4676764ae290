"""The weights that a training starts from, and the statistics that it ends with."""

from pathlib import Path

import keras
import numpy as np
from keras import layers

from model.card import WEIGHTS, read_card, verified
from model.io.modalities import MODALITIES
from model.networks import NETWORKS
from model.preprocess import Preprocessing

FIRST_CONVOLUTION = "Conv1"


def load_imagenet(model: keras.Model, weights: Path | None, inputs: Preprocessing) -> None:
    """Copy MobileNetV2's ImageNet weights into the encoder of `model`, matched by layer name.

    `weights` is a Keras weights file of `MobileNetV2(alpha=1.0, include_top=False)`; None downloads
    Keras' own. The first convolution, made for three colours, is spread over the channels of the slice and its
    neighbours; the mirrored slice, if there is one, starts without influence.
    """
    source = keras.applications.MobileNetV2(
        input_shape=(224, 224, 3),
        alpha=1.0,
        include_top=False,
        weights=None if weights else "imagenet",
    )
    if weights:
        source.load_weights(weights)
    targets = {layer.name: layer for layer in model.layers}
    for layer in source.layers:
        values = layer.get_weights()
        if not values or layer.name not in targets:
            continue
        if layer.name == FIRST_CONVOLUTION:
            own = len(MODALITIES) * (2 * inputs.neighbours + 1)
            # The same response to one pattern in all channels as to a grey picture.
            mean = values[0].mean(axis=2, keepdims=True)
            values = [_with_channels(np.repeat(mean, own, axis=2) * 3.0 / own, inputs.channels)]
        targets[layer.name].set_weights(values)


def load_model_weights(model: keras.Model, folder: Path) -> None:
    """Copy the weights of a trained model's folder into `model`, a network of the same kind.

    Of several networks, those of the first. Input channels that it did not have start without
    influence. Raises ModelError.
    """
    card = read_card(folder)
    source = NETWORKS[card.architecture](card.channels)
    source.load_weights(verified(folder, card, WEIGHTS))
    for target, layer in zip(model.layers, source.layers, strict=True):
        values = layer.get_weights()
        if values and values[0].shape != target.get_weights()[0].shape:
            values[0] = _with_channels(values[0], model.input_shape[-1])
        target.set_weights(values)


def copy_weights(trained: keras.Model, network: keras.Model) -> None:
    """Give `network` the weights of its trained copy, which may have more layers, by their names."""
    for layer in network.layers:
        layer.set_weights(trained.get_layer(layer.name).get_weights())


def _with_channels(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Return a kernel (H, W, in, out) for more input channels, which it ignores."""
    return np.pad(kernel, ((0, 0), (0, 0), (0, channels - kernel.shape[2]), (0, 0)))


def match_batch_norm(model: keras.Model, images: np.ndarray) -> None:
    """Give every batch normalisation the statistics of `images` without changing its function.

    Weights whose normalisation was folded away (mean 0, variance 1) would otherwise be rescaled by
    the first training step, which destroys what they learned. One forward pass of (N, H, W, C).
    """
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    inputs = keras.Model(model.input, [layer.input for layer in norms])
    for layer, values in zip(norms, inputs.predict_on_batch(images), strict=True):
        gamma, beta, mean, variance = layer.get_weights()
        new_mean, new_variance = values.mean(axis=(0, 1, 2)), values.var(axis=(0, 1, 2))
        scale = np.sqrt((new_variance + layer.epsilon) / (variance + layer.epsilon))
        shift = gamma * (new_mean - mean) / np.sqrt(variance + layer.epsilon)
        layer.set_weights([gamma * scale, beta + shift, new_mean, new_variance])


def estimate_batch_norm(model: keras.Model, batches: int, images: keras.utils.PyDataset) -> None:
    """Replace moving statistics by their plain mean over `batches` training-mode passes.

    Moving averages lag behind the weights, and averaged weights never saw them at all.
    """
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for index in range(batches):
        for layer in norms:
            layer.momentum = index / (index + 1)
        model(images[index][0], training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
