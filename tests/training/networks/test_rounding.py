"""Weights that every engine holds alike."""

import numpy as np
import pytest

from model.networks import mobile_unet
from tests.training.small_networks import narrow_unet, tiny_unet
from training.networks.rounding import CONVOLUTIONS, round_weights, to_bfloat16


def test_bfloat16_rounds_to_nearest_even():
    one_and_a_bit = 1 + 2.0**-8
    values = np.array([1, 1 + 2**-7, one_and_a_bit, one_and_a_bit + 1e-6, -3.14159265, 0], "f4")
    expected = np.array([1, 1 + 2**-7, 1, 1 + 2**-7, -3.140625, 0], "f4")
    np.testing.assert_array_equal(to_bfloat16(values), expected)


@pytest.mark.parametrize(
    "make", [tiny_unet, narrow_unet, pytest.param(mobile_unet, marks=pytest.mark.slow)]
)
def test_a_rounded_network_does_nearly_the_same(make):
    rng = np.random.default_rng(0)
    network = make(12)
    # Statistics and scales as after a training, not those of a fresh network.
    for layer in network.layers:
        if layer.__class__.__name__ == "BatchNormalization":
            shape = layer.gamma.shape
            layer.set_weights([rng.uniform(low, high, shape) for low, high in
                               ((0.5, 1.5), (-0.3, 0.3), (-0.1, 0.1), (0.5, 2.0))])  # fmt: skip
    images = rng.normal(size=(2, 64, 64, 12)).astype(np.float32)
    before = np.array(network(images, training=False))
    round_weights(network)
    after = np.array(network(images, training=False))
    assert 0 < np.abs(after - before).max() < 0.05
    for layer in network.layers:
        if isinstance(layer, CONVOLUTIONS):
            for values in layer.get_weights():
                np.testing.assert_array_equal(values, to_bfloat16(values))
    # Rounding what is rounded changes nothing.
    round_weights(network)
    np.testing.assert_allclose(network(images, training=False), after, atol=1e-6)
