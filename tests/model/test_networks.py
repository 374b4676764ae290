"""Both networks on small inputs."""

import keras
import numpy as np
import pytest

from model.networks import BATCH_NORM_MOMENTUM, NETWORKS

# The publication that this follows: Simple U-Net 1.98 M, MobileUNet 12.5 M parameters.
SIZES = {
    "simple_unet": (1.8e6, 2.2e6),
    "mobile_unet": (2.0e6, 3.0e6),
}


@pytest.fixture(scope="module", params=sorted(NETWORKS))
def network(request):
    return NETWORKS[request.param](12)


def test_size(network):
    low, high = SIZES[network.name]
    assert low < network.count_params() < high


@pytest.mark.parametrize("shape", [(32, 64), (96, 32)])
def test_probabilities_at_full_resolution(network, shape):
    slices = np.random.default_rng(0).normal(size=(2, *shape, 12)).astype(np.float32)
    result = keras.ops.convert_to_numpy(network(slices, training=False))
    assert result.shape == (2, *shape, 4) and result.dtype == np.float32
    np.testing.assert_allclose(result.sum(axis=-1), 1, atol=1e-5)


def test_slices_of_a_batch_do_not_mix(network):
    slices = np.random.default_rng(0).normal(size=(3, 32, 32, 12)).astype(np.float32)
    together = keras.ops.convert_to_numpy(network(slices, training=False))
    alone = keras.ops.convert_to_numpy(network(slices[1:2], training=False))
    np.testing.assert_allclose(together[1:2], alone, atol=1e-5)


def test_moving_averages_follow_within_a_short_training(network):
    momenta = {
        layer.momentum
        for layer in network.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    assert momenta == {BATCH_NORM_MOMENTUM} and BATCH_NORM_MOMENTUM <= 0.99
