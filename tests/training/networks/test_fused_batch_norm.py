"""The fused kernel against Keras' own batch normalisation, and half precision against single."""

import keras
import numpy as np

from tests.training.small_networks import narrow_unet
from training.networks.fused_batch_norm import FusedBatchNormalization, for_training


def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, 64, 64, 12)).astype(np.float32)


def test_fused_batch_norm_trains_as_keras_does():
    model = narrow_unet(12)
    fused = for_training(model)
    kinds = [type(layer) for layer in fused.layers]
    assert FusedBatchNormalization in kinds and keras.layers.BatchNormalization not in kinds
    for training in (True, False):
        a, b = model(images(), training=training), fused(images(), training=training)
        np.testing.assert_allclose(a, b, atol=1e-3)
    for a, b in zip(model.get_weights(), fused.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=5e-3, atol=1e-3)


def test_half_precision_learns_from_float32_weights_and_probabilities():
    model = narrow_unet(12)
    half = for_training(model, "mixed_bfloat16")
    assert {weight.dtype for weight in half.weights} == {"float32"}
    for training in (True, False):
        whole, probabilities = model(images(), training=training), half(images(), training=training)
        assert probabilities.dtype == np.float32
        # Eight bits of mantissa in each of some twenty layers.
        difference = np.abs(np.asarray(whole) - np.asarray(probabilities))
        assert 0 < difference.mean() < 0.02
