"""A rewritten network computes what it computed before."""

import numpy as np
import openvino as ov
import pytest

from model.networks import mobile_unet, simple_unet
from training.networks.network_files import as_openvino
from training.networks.quicker_graph import softmax_by_class, split_concatenations


@pytest.fixture(scope="module")
def batch() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(2, 64, 96, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    """A MobileUNet with biases that differ."""
    made = mobile_unet(12)
    random = np.random.default_rng(6)
    made.set_weights([w + 0.1 * random.random(w.shape, np.float32) for w in made.get_weights()])
    return made


def answers(model: ov.Model, batch: np.ndarray) -> np.ndarray:
    return ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(batch)[0]


def kinds(model: ov.Model) -> list[str]:
    return [node.get_type_name() for node in model.get_ordered_ops()]


def test_separable_convolutions_of_parts(network, batch):
    model = as_openvino(network)
    before = answers(model, batch)
    depthwise = kinds(model).count("GroupConvolution")
    # Four levels of the decoder, and the pixels that join the last.
    assert split_concatenations(model) == 5
    assert kinds(model).count("GroupConvolution") == depthwise + 5
    assert before.std() > 0.01
    np.testing.assert_allclose(answers(model, batch), before, atol=2e-5)


def test_probabilities_of_blocks(network, batch):
    model = as_openvino(network)
    before = answers(model, batch)
    assert softmax_by_class(model)
    assert "ConvolutionBackpropData" not in kinds(model)
    np.testing.assert_allclose(answers(model, batch), before, atol=2e-5)


def test_what_is_otherwise_stays(batch):
    model = as_openvino(simple_unet(12, width=4))
    before = kinds(model)
    assert split_concatenations(model) == 0
    assert not softmax_by_class(model)
    assert kinds(model) == before
