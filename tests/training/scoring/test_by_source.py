"""Scores by source: who belongs to which, and intervals that hold what they promise."""

import numpy as np
import pytest

from training.data.split import Patient
from training.scoring.by_source import lesion_counts, names_by_source, summarise, summary
from training.scoring.scores import SHORT


def test_cases_are_grouped_by_the_source_of_their_patient():
    patients = {
        "BraTS-SSA-00001": Patient("BraTS-SSA-00001", "ssa", "test", None),
        "one": Patient("one", "brats", "train", 0),
    }
    groups = names_by_source(["one", "BraTS-SSA-00001-000", "stranger"], patients)
    assert groups == {
        "BraTS": ["one"],
        "sub-Saharan Africa": ["BraTS-SSA-00001-000"],
        "other": ["stranger"],
        "all": ["one", "BraTS-SSA-00001-000", "stranger"],
    }


def test_intervals_hold_the_true_mean_about_as_often_as_they_say():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(60):
        found = summary(rng.normal(0.7, 0.1, 25))
        low, high = found.mean_interval
        held += low <= 0.7 <= high
        assert low < found.mean < high and found.median_interval[0] <= found.median
    assert 50 <= held <= 60


def test_one_patient_has_no_spread():
    found = summary([0.5])
    assert found.mean_interval == found.median_interval == (0.5, 0.5)


def test_dice_and_lesion_wise_dice_are_summarised():
    cases = [
        {
            "regions": {short: {"dice": dice} for short in SHORT},
            "lesion_wise": {
                short: {"dice": dice / 2, "lesions": 2, "missed": 1, "false": 3}
                for short in ("WT", "TC", "ET")
            },
        }
        for dice in (0.2, 0.4, 0.9)
    ]
    found = summarise(cases)
    assert found["ED"].mean == pytest.approx(0.5) and found["ED"].median == pytest.approx(0.4)
    assert found["lesion-wise ET"].median == pytest.approx(0.2)
    assert lesion_counts(cases, "false") == {"WT": 9, "TC": 9, "ET": 9}
