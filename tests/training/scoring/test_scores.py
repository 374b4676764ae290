"""Scores on volumes whose answers are known, and the loss against them."""

import numpy as np
import pytest
from keras import ops

from training.networks.losses import (
    CLASS_REGIONS,
    cross_entropy,
    region_dice,
    region_dice_cross_entropy,
)
from training.scoring.scores import (
    HD95_MISSING_MM,
    dice,
    hd95_mm,
    mean_scores,
    quick_dice,
    score_case,
)

UNIT = np.ones(3)


def cube(start: int, stop: int, value: int = 1) -> np.ndarray:
    volume = np.zeros((20, 20, 20), np.uint8)
    volume[start:stop, start:stop, start:stop] = value
    return volume


def test_dice_and_its_edges():
    a, b, empty = cube(0, 10) > 0, cube(5, 15) > 0, cube(0, 0) > 0
    assert dice(a, a) == 1 and dice(a, b) == 2 * 125 / 2000
    assert dice(empty, empty) == 1 and dice(empty, a) == 0 and dice(a, empty) == 0


def test_distance_is_in_millimetres():
    a = np.zeros((20, 20, 20), bool)
    b = a.copy()
    a[5:15, 5:15, 5], b[5:15, 5:15, 8] = True, True
    assert hd95_mm(a, b, UNIT) == pytest.approx(3)
    assert hd95_mm(a, b, np.array([1, 1, 2.5])) == pytest.approx(7.5)
    assert hd95_mm(a, a & False, UNIT) == HD95_MISSING_MM
    assert hd95_mm(a & False, a & False, UNIT) == 0


def test_a_case_by_hand():
    truth = cube(0, 10, 2)
    predicted = cube(0, 10, 2)
    predicted[0:5, 0:10, 0:10] = 3
    scores = score_case(truth, predicted, np.array([1.0, 1.0, 2.0]))
    regions = scores["regions"]
    assert regions["WT"]["dice"] == 1 and regions["ED"]["dice"] == pytest.approx(2 * 500 / 1500)
    assert regions["ED"]["recall"] == 0.5 and regions["ED"]["precision"] == 1
    assert regions["ET"]["dice"] == 0 and regions["NCR"]["dice"] == 1
    assert regions["ET"]["volume_error_ml"] == pytest.approx(1.0)
    assert scores["accuracy"] == 1 - 500 / 8000
    assert scores["dice_loss"] == pytest.approx(1 - (1 + 2 / 3 + 0) / 3)
    assert quick_dice(truth, predicted) == pytest.approx(
        {short: region["dice"] for short, region in regions.items()}
    )
    both = mean_scores([scores, score_case(truth, truth, UNIT)])
    assert both["regions"]["ED"]["dice"] == pytest.approx((2 / 3 + 1) / 2)


def test_the_loss_falls_with_every_better_answer():
    truth = cube(0, 10, 2)[:4]
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
