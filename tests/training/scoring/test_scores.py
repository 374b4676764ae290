"""Scores on volumes whose answers are known."""

import numpy as np
import pytest

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
