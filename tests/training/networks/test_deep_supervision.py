"""Heads on coarser levels: what they answer, what they add to the loss, and that they do not stay."""

import numpy as np
import pytest

from model.networks import NETWORKS, mobile_unet
from tests.training.small_networks import tiny_unet
from training import train
from training.networks.deep_supervision import LEVELS, at_all_levels, at_full_resolution, with_heads
from training.networks.losses import region_dice_cross_entropy
from training.settings import Settings


@pytest.mark.parametrize("make", [tiny_unet, pytest.param(mobile_unet, marks=pytest.mark.slow)])
def test_coarser_levels_answer_beside_the_network_and_share_its_layers(make):
    network = make(12, dropout=0)
    model = with_heads(network)
    slices = np.random.default_rng(0).normal(size=(2, 64, 96, 12)).astype(np.float32)
    answer = np.asarray(model(slices))
    whole = 64 * 96
    assert answer.shape[1:] == (whole + sum(whole // scale**2 for scale in LEVELS.values()), 4)
    np.testing.assert_allclose(answer.sum(axis=-1), 1, atol=1e-5)
    own = np.asarray(network(slices))
    np.testing.assert_allclose(answer[:, :whole].reshape(own.shape), own, atol=1e-6)
    assert all(model.get_layer(layer.name) is layer for layer in network.layers)
    assert train.compiled(network, Settings(deep_supervision=0.5)).output_shape == (None, None, 4)
    assert train.compiled(network, Settings()).output_shape[-1] == 4


def test_the_loss_is_that_of_the_network_and_a_share_of_the_levels():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (2, 32, 48))
    levels = [
        rng.dirichlet(np.ones(4), (2, 32 // scale, 48 // scale)).astype(np.float32)
        for scale in (1, *LEVELS.values())
    ]
    outputs = np.concatenate([level.reshape(2, -1, 4) for level in levels], axis=1)
    first, *others = [float(region_dice_cross_entropy(labels, level)) for level in levels]
    deep = at_all_levels(region_dice_cross_entropy, 0.5)
    assert float(deep(labels, outputs)) == pytest.approx(first + 0.5 * sum(others) / 3, rel=1e-5)
    metric = at_full_resolution(region_dice_cross_entropy)
    assert float(metric(labels, outputs)) == pytest.approx(first)


def test_a_trained_network_has_no_heads(tiny, prepared, small_settings, tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text(f"imagenet = false\n{small_settings.read_text()}")
    options = ["--data", str(prepared), "--out", str(tmp_path), "--settings", str(settings)]
    options += ["--network", "mobile_unet", "--deep-supervision", "0.5", "--epochs", "1"]
    options += ["--validate-every", "1"]
    assert train.main(options) == 0
    assert "nan" not in (tmp_path / "log.csv").read_text()
    NETWORKS["mobile_unet"](12).load_weights(tmp_path / "final.weights.h5")


def test_the_baseline_has_no_such_levels(prepared, tmp_path, capsys):
    options = ["--data", str(prepared), "--out", str(tmp_path / "run"), "--network", "simple_unet"]
    assert train.main([*options, "--deep-supervision", "0.5"]) == 2
    assert "deep_supervision is for mobile_unet alone" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
