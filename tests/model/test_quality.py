"""The accuracy that a model expects of itself."""

import numpy as np
import pytest

from model.labels import CLASSES, CORE, EDEMA, ENHANCING
from model.probabilities import ProbabilityAccumulator
from model.quality import expected_by_region, expected_dice
from model.warnings import LEAST_EXPECTED, look_closely


def test_it_is_the_mean_dice_of_masks_drawn_with_these_probabilities():
    rng = np.random.default_rng(0)
    probability = rng.beta(0.5, 0.8, 20_000)
    marked = probability >= 0.4
    drawn = []
    for _ in range(50):
        truth = rng.random(probability.shape) < probability
        drawn.append(2 * (truth & marked).sum() / (truth.sum() + marked.sum()))
    assert expected_dice(probability, marked) == pytest.approx(np.mean(drawn), abs=0.003)


def test_nothing_is_expected_where_nothing_is_marked():
    assert expected_dice(np.full(10, 0.4), np.zeros(10, bool)) is None


@pytest.fixture
def case():
    """A tumour of edema with enhancing tumour in it, certain but for the enhancing part."""
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[4:16, 4:16, 4:16] = EDEMA
    labels[8:12, 8:12, 8:12] = ENHANCING
    total = np.zeros((*labels.shape, CLASSES), np.float32)
    np.put_along_axis(total, labels[..., None].astype(np.intp), 1.0, axis=3)
    total[8:12, 8:12, 8:12] = 0
    total[8:12, 8:12, 8:12, ENHANCING], total[8:12, 8:12, 8:12, CORE] = 0.5, 0.5
    return ProbabilityAccumulator(total, np.ones((*labels.shape, 1), np.float32)), labels


def test_each_region_has_its_own(case):
    found = expected_by_region(*case)
    assert found["WT"] == pytest.approx(1.0)
    # Half of the enhancing tumour may be core, which is in the tumour core all the same.
    assert found["TC"] == pytest.approx(1.0) and found["ET"] == pytest.approx(2 / 3)
    probabilities, labels = case
    assert "ET" not in expected_by_region(
        probabilities, np.where(labels == ENHANCING, CORE, labels)
    )


def test_only_regions_with_little_to_expect_are_warned_of():
    assert look_closely({}) == look_closely(LEAST_EXPECTED) == []
    (warning,) = look_closely({"WT": 0.95, "ET": 0.61})
    assert warning.code == "look_closely"
    assert warning.text.endswith("promise: enhancing tumour 0.61, below the limit of 0.70.")
    assert "whole tumour" not in warning.text


def test_a_low_expectation_stands_beside_what_was_measured():
    scores = {"patients": 20, "regions": {"WT": {"dice": 0.912}, "TC": {"dice": None}}}
    (warning,) = look_closely({"WT": 0.849, "TC": 0.7}, scores)
    assert warning.text.endswith(
        "promise: the whole tumour 0.84, below the limit of 0.85 (measured on 20 patients not trained on: mean "
        "0.91); tumour core 0.70, below the limit of 0.75."
    )
