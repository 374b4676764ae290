"""RANO categories on numbers that can be checked by hand."""

from datetime import date, timedelta

import pytest

from app.analysis.response import CRITERIA, Sized, assess, nadir_before

RANO_2010, BY_PRODUCT, BY_VOLUME = CRITERIA
START = date(2024, 1, 1)


def points(*values, measurable=True, every_days=60):
    """Examinations of these values, which can be measured unless nothing is there."""
    return [
        Sized(value, measurable and bool(value), day=START + timedelta(days=every_days * at))
        for at, value in enumerate(values)
    ]


def categories(found):
    return [one and one.category for one in found]


@pytest.mark.parametrize(
    ("criteria", "values", "expected"),
    [
        # 25 % above the nadir is progression, and just below is not.
        (RANO_2010, (400, 500), "PD"),
        (RANO_2010, (400, 499.9), "SD"),
        # The nadir counts, not the baseline: 250 is 25 % above 200 and below 400.
        (RANO_2010, (400, 200, 250), "PD"),
        (RANO_2010, (400, 200, 249), "SD"),
        # Half of the baseline is a response.
        (RANO_2010, (400, 200), "PR"),
        (RANO_2010, (400, 200.1), "SD"),
        # 249 is above 200 by less than a quarter, and not half of 500.
        (BY_PRODUCT, (500, 200, 249), "PR"),
        (RANO_2010, (400, 0), "CR"),
        # What comes back from nothing is progression.
        (RANO_2010, (400, 0, 130), "PD"),
        (BY_VOLUME, (10, 14), "PD"),
        (BY_VOLUME, (10, 13.9), "SD"),
        (BY_VOLUME, (10, 3.5), "PR"),
        (BY_VOLUME, (10, 3.6), "SD"),
        (BY_VOLUME, (10, 0), "CR"),
        (RANO_2010, (400, None), "NE"),
        (RANO_2010, (None, 400), "NE"),
    ],
)
def test_thresholds(criteria, values, expected):
    assert categories(assess(points(*values), 0, criteria))[-1] == expected


def test_a_hair_above_the_threshold_by_rounding_counts():
    # 0.1 + 0.2 is not 0.3 in binary.
    assert categories(assess(points(0.24, 0.1 + 0.2), 0, RANO_2010)) == [None, "PD"]


def test_nothing_is_said_up_to_the_baseline():
    found = assess(points(900, 400, 200, 450), 1, RANO_2010)
    assert categories(found) == [None, None, "PR", "PD"]
    # 450 is 125 % above 200, and 12.5 % above 400; the 900 before the baseline do not count.
    assert (found[3].from_nadir_percent, found[3].from_baseline_percent) == (125.0, 12.5)
    assert found[3].nadir == 2


def test_what_cannot_be_measured_neither_responds_nor_grows():
    small = points(60, 90, 20, measurable=False)
    found = assess(small, 0, RANO_2010)
    assert categories(found) == [None, "NE", "NE"]
    assert found[1].reason == "not_measurable"
    # It has grown to what can be measured.
    assert categories(assess([small[0], *points(140)], 0, RANO_2010)) == [None, "PD"]


def test_new_lesions():
    first = Sized(400, measurable=True)
    tiny = Sized(380, measurable=True, new_lesions=1, new_measurable=0)
    large = Sized(380, measurable=True, new_lesions=1, new_measurable=1)
    assert categories(assess([first, tiny], 0, RANO_2010)) == [None, "PD"]
    assert categories(assess([first, tiny], 0, BY_PRODUCT)) == [None, "SD"]
    found = assess([first, large], 0, BY_VOLUME)
    assert (found[1].category, found[1].reason) == ("PD", "new_lesion")


@pytest.mark.parametrize(
    ("values", "every_days", "confirmed"),
    [
        ((400, 200, 180), 28, True),
        ((400, 200, 180), 27, None),
        # Two steps of two weeks are four weeks.
        ((400, 200, 180, 170), 14, True),
        ((400, 200, 300), 28, False),
        ((400, 0, 100), 28, False),
        ((400, 100, 0), 28, True),
        ((400, 200), 28, None),
        ((400, 390, 380), 28, None),
    ],
)
def test_a_response_has_to_last_four_weeks(values, every_days, confirmed):
    assert assess(points(*values, every_days=every_days), 0, RANO_2010)[1].confirmed is confirmed


def test_nadir():
    assert nadir_before([5, 3, None, 3, 1], 0, 4) == 1
    assert nadir_before([None, 3], 0, 1) is None
