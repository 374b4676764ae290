"""From the tumour that was found to where tumour is probable enough."""

import numpy as np
import pytest

from model.postprocess import (
    MIN_GROWTH_PROBABILITY,
    MIN_PROBABILITY,
    growth_threshold,
    touching,
)


def expected_dice(tumour: np.ndarray, threshold: float) -> float:
    marked = tumour >= threshold
    return 2 * tumour[marked].sum() / (np.count_nonzero(marked) + tumour.sum())


@pytest.mark.parametrize("shape", [(0.3, 0.3), (2.0, 2.0), (5.0, 1.0)])
def test_no_other_threshold_promises_more(shape):
    rng = np.random.default_rng(0)
    tumour = np.maximum(rng.beta(*shape, 20_000).astype(np.float32), MIN_PROBABILITY)
    best = growth_threshold(tumour, 1.0)
    promised = max(expected_dice(tumour, threshold) for threshold in np.arange(0.02, 1, 0.01))
    assert expected_dice(tumour, best) == pytest.approx(promised, abs=0.002)
    # Half of the best Dice: the rule of Lipton et al.
    assert best == pytest.approx(promised / 2, abs=0.02)


def test_a_faint_tumour_is_marked_further_out_and_doubt_adds_to_it():
    clear = np.r_[np.full(1000, 0.97), np.linspace(0.02, 0.97, 100)]
    faint = np.r_[np.full(100, 0.97), np.linspace(0.02, 0.97, 1000)]
    assert growth_threshold(clear, 1.0) > growth_threshold(faint, 1.0)
    for tumour in (clear, faint):
        thresholds = [growth_threshold(tumour, temperature) for temperature in (1.0, 1.5, 2.0, 3.0)]
        assert (
            thresholds == sorted(thresholds, reverse=True)
            and thresholds[-1] >= MIN_GROWTH_PROBABILITY
        )


def test_doubt_about_half_a_brain_does_not_flood_it():
    tumour = np.r_[np.full(500, 0.9), np.full(500_000, 0.15)].astype(np.float32)
    assert growth_threshold(tumour, 1.5) == MIN_GROWTH_PROBABILITY


@pytest.mark.parametrize(
    "tumour", [np.zeros(50), np.full(50, 1e-3), np.r_[np.zeros(50), 0.9, 0.92]]
)
def test_nothing_in_between_marks_nothing_more(tumour):
    assert growth_threshold(tumour.astype(np.float32), 2.0) >= 0.9


def test_rounding_beyond_one_is_no_error():
    assert MIN_GROWTH_PROBABILITY <= growth_threshold(np.float32([1.0000001, 0.02, 0.5]), 1.5) <= 1


def test_growth_reaches_what_touches_and_nothing_else():
    mask, probable, expected = np.zeros((3, 20, 20, 20), bool)
    mask[5:8, 5:8, 5:8] = True
    # A chain that touches a corner, a part of the mask itself, and an island.
    for step in range(8, 12):
        probable[step, step, step] = expected[step, step, step] = True
    probable[6, 6, 6] = True
    probable[15:18, 2:4, 2:4] = True
    np.testing.assert_array_equal(touching(mask, probable), expected)
    assert not touching(np.zeros_like(mask), probable).any()
    assert not touching(mask, np.zeros_like(mask)).any()
