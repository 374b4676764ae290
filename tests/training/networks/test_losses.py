"""Losses against values computed by hand."""

import numpy as np
import pytest
from keras import ops

from training.networks.losses import (
    CLASS_REGIONS,
    cross_entropy,
    region_dice,
    region_dice_cross_entropy,
)


def test_the_loss_falls_with_every_better_answer():
    truth = np.zeros((4, 20, 20), np.uint8)
    truth[:, :10, :10] = 2
    exact = np.eye(4, dtype=np.float32)[truth]
    losses = [
        float(
            region_dice_cross_entropy(truth, ops.convert_to_tensor(share * exact + (1 - share) / 4))
        )
        for share in (0.0, 0.5, 0.9, 1.0)
    ]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 1e-3
    assert float(region_dice(truth, ops.convert_to_tensor(exact))) == pytest.approx(1, abs=1e-4)


def test_the_loss_by_hand():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, (2, 8, 8))
    probabilities = rng.dirichlet(np.ones(4), truth.shape).astype(np.float32)
    scored = []
    for classes in [(1,), (2,), (3,), (1, 3), (1, 2, 3)]:
        expected, predicted = np.isin(truth, classes), probabilities[..., classes].sum(axis=-1)
        overlap = (expected * predicted).sum()
        scored.append((2 * overlap + 1) / (expected.sum() + predicted.sum() + 1))
    given = probabilities.reshape(-1, 4)[np.arange(truth.size), truth.ravel()]
    assert float(region_dice(truth, probabilities)) == pytest.approx(np.mean(scored))
    assert float(region_dice(truth, probabilities, CLASS_REGIONS)) == pytest.approx(
        np.mean(scored[:3])
    )
    assert float(cross_entropy(truth, probabilities)) == pytest.approx(-np.log(given).mean())


def test_the_loss_of_a_coarser_level_is_that_of_its_repeated_pixels():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, (2, 8, 16))
    coarse = rng.dirichlet(np.ones(4), (2, 2, 4)).astype(np.float32)
    repeated = coarse.repeat(4, axis=1).repeat(4, axis=2)
    for loss in (cross_entropy, region_dice):
        assert float(loss(truth, coarse)) == pytest.approx(float(loss(truth, repeated)), rel=1e-5)
