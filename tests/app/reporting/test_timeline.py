"""Lines over the examinations of a patient: where dots lie, and what is written at them."""

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest

from app.reporting.timeline import _scale, timelines


def row(name, value, day):
    values = {"enhancing": value, "whole_tumor": 30.0, "product_mm2": None}
    followed = SimpleNamespace(values=values)
    uploaded = datetime(2025, 1, 1, tzinfo=UTC)
    return SimpleNamespace(
        id=name, study_date=day, session="", uploaded=uploaded, followed=followed
    )


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        (12.4, (15, 5)),
        (99, (100, 25)),
        (100, (100, 25)),
        (1333, (1500, 500)),
        (0.3, (0.3, 0.1)),
        (0, (1, 1)),
    ],
)
def test_scale(highest, expected):
    assert _scale(highest) == pytest.approx(expected)


def test_dots_lie_as_dates_do():
    days = [date(2024, 1, 1), date(2024, 1, 11), date(2024, 2, 10)]
    rows = [
        row(name, value, day) for name, value, day in zip("abc", (10, 5, 20), days, strict=True)
    ]
    enhancing, whole, product = timelines(rows, "a")
    assert [dot.x for dot in enhancing.dots] == [0, 25, 100]
    assert [dot.y for dot in enhancing.dots] == [50, 75, 0]
    assert [dot.nadir for dot in enhancing.dots] == [False, True, False]
    assert [dot.baseline for dot in enhancing.dots] == [True, False, False]
    # Of equal values the first is the nadir.
    assert [dot.nadir for dot in whole.dots] == [True, False, False]
    assert product.dots == ()


def test_the_nadir_is_not_before_the_baseline():
    days = [date(2024, month, 1) for month in (1, 2, 3)]
    rows = [row(name, value, day) for name, value, day in zip("abc", (1, 9, 4), days, strict=True)]
    assert [dot.nadir for dot in timelines(rows, "b")[0].dots] == [False, False, True]


def test_evenly_without_all_dates_and_labels_that_do_not_touch():
    rows = [row(name, 1.0, None) for name in "abc"]
    assert [dot.x for dot in timelines(rows, "a")[0].dots] == [0, 50, 100]
    days = [date(2024, 1, 1), date(2024, 12, 1), date(2024, 12, 31)]
    rows = [row(name, 1.0, day) for name, day in zip("abc", days, strict=True)]
    labels = [dot.label for dot in timelines(rows, "a")[0].dots]
    assert labels == ["2024-01", "", "2024-12"]


def test_one_examination_is_no_line():
    assert timelines([row("a", 1.0, None)], "a") == []
