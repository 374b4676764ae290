"""Starting weights, and the statistics of batch normalisation."""

import keras
import numpy as np

from model.networks import mobile_unet
from model.preprocess import Preprocessing
from tests.training.small_networks import narrow_unet
from training.networks.pretrained import estimate_batch_norm, load_imagenet, match_batch_norm


def images(count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 64, 64, 12)).astype(np.float32)


def test_matched_statistics_change_nothing_but_the_statistics():
    model = narrow_unet(12)
    before = model(images(), training=False)
    match_batch_norm(model, images())
    np.testing.assert_allclose(before, model(images(), training=False), atol=1e-4)
    # Batch statistics are now the moving ones: training mode gives the same answer.
    np.testing.assert_allclose(before, model(images(), training=True), atol=0.02)


def test_statistics_are_re_estimated_from_scratch():
    model = narrow_unet(12)
    norm = next(x for x in model.layers if isinstance(x, keras.layers.BatchNormalization))
    norm.moving_mean.assign(norm.moving_mean * 0 + 100.0)
    estimate_batch_norm(model, 3, [(images(), None)] * 3)
    values = keras.Model(model.input, norm.input)(images())
    np.testing.assert_allclose(norm.moving_mean, np.mean(values, axis=(0, 1, 2)), atol=1e-3)


def test_imagenet_weights_answer_grey_pictures_as_the_original(tmp_path):
    source = keras.applications.MobileNetV2((64, 64, 3), include_top=False, weights=None)
    source.save_weights(tmp_path / "imagenet.weights.h5")
    inputs = Preprocessing(mirror=True)
    model = mobile_unet(inputs.channels)
    load_imagenet(model, tmp_path / "imagenet.weights.h5", inputs)
    grey = np.random.default_rng(0).normal(size=(1, 64, 64, 1)).astype(np.float32)
    name = "block_13_expand_relu"
    theirs = keras.Model(source.input, source.get_layer(name).output)(np.repeat(grey, 3, -1))
    ours = keras.Model(model.input, model.get_layer(name).output)
    # The mirrored slice, here noise, starts without influence.
    ours = ours(np.concatenate([np.repeat(grey, 12, -1), images(1)[..., :4]], axis=-1))
    np.testing.assert_allclose(theirs, ours, atol=1e-3)
