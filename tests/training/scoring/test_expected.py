"""How well the expected Dice ranks cases."""

import pytest

from model.quality import REGIONS
from training.scoring.expected import rank_correlation, warned


def case(true: float, expected: float, closely: bool = False) -> dict:
    return {
        "regions": {short: {"dice": true} for short in REGIONS},
        "expected_dice": {"WT": expected, "TC": 1 - expected},
        "look_closely": closely,
    }


def test_ranks_agree_or_not_and_unmarked_regions_have_none():
    found = rank_correlation([case(true, true**2) for true in (0.2, 0.9, 0.4, 0.7)])
    assert found == {"WT": pytest.approx(1.0), "TC": pytest.approx(-1.0)}
    assert rank_correlation([case(0.5, 0.5)] * 2) == {}


def test_warnings_of_the_worst_are_counted():
    cases = [case(n / 10, 0.5, closely=n in (1, 5)) for n in range(10)]
    # The worst fifth is 0 and 1.
    assert warned(cases) == (2, 1, 2)
    assert warned([case(0.5, 0.5, closely=True)]) == (1, 1, 1)
