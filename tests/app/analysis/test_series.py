"""Examinations of one patient: their order, and what changed."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from app.analysis.comparison import Change
from app.analysis.measurements import measure
from app.analysis.series import Examination, NewLesions, follow, in_order
from model.labels import ENHANCING


def cube(edge: int):
    """Measurements of an enhancing cube with edges of so many mm."""
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[5 : 5 + edge, 5 : 5 + edge, 5 : 5 + edge] = ENHANCING
    return measure(labels, np.eye(4), None, brain_voxels=60000, brain_centre_mm=None)


def examination(name, edge=12, day=None, session="", uploaded=1):
    at = datetime(2025, 1, uploaded, tzinfo=UTC)
    return Examination(name, at, cube(edge), day, session)


def names(examinations):
    return "".join(one.id for one in in_order(examinations))


def test_order():
    early, late = date(2024, 1, 5), date(2024, 6, 5)
    assert names([examination("a", day=late), examination("b", day=early, uploaded=2)]) == "ba"
    # The number of the session, not its letters.
    sessions = [examination("a", session="10"), examination("b", session="2", uploaded=9)]
    assert names(sessions) == "ba"
    # The upload stands for a date that is not known.
    assert names([examination("a", uploaded=3), examination("b", day=late)]) == "ba"
    assert names([examination("a", uploaded=3), examination("b", uploaded=2)]) == "ba"


def test_changes_of_a_cube():
    series = [
        examination("a", 20, date(2024, 1, 1)),
        examination("b", 10, date(2024, 3, 1)),
        examination("c", 11, date(2024, 5, 1)),
    ]
    first, second, third = follow(series)
    assert first.since_prior is None and first.categories is None
    assert (first.days, second.days, third.days) == (0, 60, 121)
    # 8 mL become 1 mL, and that 1.331 mL.
    assert second.since_prior["enhancing"] == Change(8.0, 1.0, -7.0, -87.5)
    assert third.since_prior["enhancing"] == Change(1.0, 1.331, 0.331, 33.1)
    assert third.since_baseline["enhancing"].percent == pytest.approx(-83.36)
    assert third.since_nadir["enhancing"] == third.since_prior["enhancing"]
    assert third.nadirs["enhancing"] == 1
    found = {key: one.category for key, one in third.categories.items()}
    # The product grows by 21 % (11² / 10²) and the volume by 33 %: both less than progression.
    assert found == {"rano_2010": "PR", "rano_2_product": "PR", "rano_2_volume": "PR"}


def test_what_vanished_is_a_hundred_per_cent_less():
    _, second, third = follow([examination("a"), examination("b", 0), examination("c", 10)])
    assert second.since_prior["product_mm2"].percent == -100.0
    assert second.since_prior["enhancing"].percent == -100.0
    assert second.categories["rano_2010"].category == "CR"
    assert third.since_prior["product_mm2"].percent is None
    assert third.categories["rano_2010"].category == "PD"
    assert second.days is None


def test_another_baseline():
    series = [examination("a", 20), examination("b", 10), examination("c", 10)]
    first, second, third = follow(series, baseline=1)
    assert first.since_baseline is None and second.categories is None
    assert second.since_prior["enhancing"].percent == -87.5
    assert third.since_baseline["enhancing"].percent == 0.0
    assert third.categories["rano_2_volume"].category == "SD"


def test_diameters_that_nobody_measured_are_not_zero():
    old = examination("b")
    old = replace(old, measurements=replace(old.measurements, rano=None))
    _, second = follow([examination("a"), old])
    assert second.values["product_mm2"] is None
    assert second.categories["rano_2010"].category == "NE"
    # The volume is known.
    assert second.categories["rano_2_volume"].category == "SD"


def test_new_lesions_are_passed_on():
    second = replace(examination("b"), new_lesions=NewLesions(1, 0, 0.2))
    found = follow([examination("a"), second])[1]
    assert found.new_lesions.count == 1
    assert found.categories["rano_2010"].reason == "new_lesion"
    assert found.categories["rano_2_product"].category == "SD"
