"""Starting weights of a training, and its statistics of batch normalisation."""

from pathlib import Path

import keras
import numpy as np
from keras import layers

from model.card import WEIGHTS, file_of, read_card, verified
from model.io.modalities import MODALITIES
from model.networks import NETWORKS
from model.preprocess import Preprocessing

FIRST_CONVOLUTION = "Conv1"


def load_imagenet(model: keras.Model, weights: Path | None, inputs: Preprocessing) -> None:
    """Copy MobileNetV2's ImageNet weights into the encoder of `model`, matched by layer name.

    weights : Keras weights file of `MobileNetV2(alpha=1.0, include_top=False)`; None downloads Keras'

    The first convolution, made for three colours, is spread over the channels of the slice and its
    neighbours. The mirrored slice, if there is one, starts with weights of 0.
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
            # One pattern in all channels gives the same response as a grey picture.
            mean = values[0].mean(axis=2, keepdims=True)
            values = [_with_channels(np.repeat(mean, own, axis=2) * 3.0 / own, inputs.channels)]
        targets[layer.name].set_weights(values)


def load_model_weights(model: keras.Model, folder: Path, network: int = 0) -> None:
    """Copy the weights of a trained model's network, from 0, into `model`, one of the same kind.

    New input channels start with weights of 0. Raises
    ModelError.
    """
    card = read_card(folder)
    source = NETWORKS[card.architecture](card.channels)
    source.load_weights(verified(folder, card, file_of(WEIGHTS, network)))
    for target, layer in zip(model.layers, source.layers, strict=True):
        values = layer.get_weights()
        if values and values[0].shape != target.get_weights()[0].shape:
            values[0] = _with_channels(values[0], model.input_shape[-1])
        target.set_weights(values)


def copy_weights(trained: keras.Model, network: keras.Model) -> None:
    """Copy weights by layer name from a trained copy, which may have more layers, to `network`."""
    for layer in network.layers:
        layer.set_weights(trained.get_layer(layer.name).get_weights())


def _with_channels(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Return a kernel (H, W, in, out) with more input channels, of weight 0."""
    return np.pad(kernel, ((0, 0), (0, 0), (0, channels - kernel.shape[2]), (0, 0)))


def match_batch_norm(model: keras.Model, images: np.ndarray) -> None:
    """Give every batch normalisation the statistics of `images` without changing its function.

    images : (N, H, W, C), for one forward pass

    Where normalisation was folded into the convolutions (mean 0, variance 1), the first training step
    would otherwise rescale all features and destroy what was learned.
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

    Moving averages lag behind the weights, and were never taken with averaged weights.
    """
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for index in range(batches):
        for layer in norms:
            layer.momentum = index / (index + 1)
        model(images[index][0], training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
