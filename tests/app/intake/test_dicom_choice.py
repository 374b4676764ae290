"""People have the last word on which series is which sequence."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from app.intake.dicom_choice import chosen_series
from model.errors import CaseError
from model.io.case import Case
from model.io.sequence_choice import choose
from model.io.sequence_table import series_table
from tests.phantoms import small_case
from tests.support.dicom_reading import series_in
from tests.support.dicom_study import scanned, write_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The series of a study, by number, and what is guessed of them: 2 T2, 3 FLAIR, 4 DWI, 6 T1, 7 T1ce, 8 MPR."""
    folder = tmp_path_factory.mktemp("study")
    small, _ = small_case()
    case = Case(small.data, small.affine @ np.diag([2, 2, 2, 1]))
    write_study(folder, scanned(case, "siemens"), enhanced=True)
    series = series_in(folder)
    return series, choose(series)


def key(study, number):
    return next(one.key for one in study[0] if one.number == number)


def numbers(found):
    return {modality: one.number for modality, one in found.items()}


def test_as_it_was_guessed(study):
    assert numbers(chosen_series(*study)) == {"flair": 3, "t1": 6, "t1ce": 7, "t2": 2}


def test_a_person_may_choose_what_was_left_out(study):
    found = chosen_series(*study, {"t1ce": key(study, 8)})
    assert numbers(found) == {"flair": 3, "t1": 6, "t1ce": 8, "t2": 2}


def test_a_series_moves_to_another_sequence(study):
    found = chosen_series(*study, {"t1": key(study, 7)})
    assert numbers(found) == {"flair": 3, "t1": 7, "t2": 2}
    swapped = chosen_series(*study, {"t1": key(study, 7), "t1ce": key(study, 6)})
    assert numbers(swapped) == {"flair": 3, "t1": 7, "t1ce": 6, "t2": 2}


def test_a_sequence_may_be_left_out(study):
    assert numbers(chosen_series(*study, {"t1": ""})) == {"flair": 3, "t1ce": 7, "t2": 2}


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"t1": "1.2.3"}, "unknown_series"),
        ({"t1": 2, "t2": 2}, "duplicate_modality"),
        ({"t1": 1}, "dicom_series"),
        ({"t1": "", "t2": ""}, "missing_modality"),
    ],
)
def test_choices_that_cannot_be(study, wanted, code):
    keys = {m: key(study, n) if isinstance(n, int) else n for m, n in wanted.items()}
    with pytest.raises(CaseError) as caught:
        chosen_series(*study, keys)
    assert caught.value.code == code and caught.value.hint


def test_the_table_says_all_that_people_need(study):
    rows = series_table(*study)
    assert json.loads(json.dumps([asdict(row) for row in rows]))
    assert [row.number for row in rows] == list(range(1, 9))
    by_number = {row.number: row for row in rows}
    t1ce = by_number[7]
    assert t1ce.chosen and t1ce.text.startswith("Taken as T1ce. TR 2300 ms, TE 2.98 ms, TI 900 ms")
    assert t1ce.contrast_agent == "Contrast agent" and t1ce.plane == "axial" and t1ce.readable
    assert t1ce.time == "2026-03-01T09:18:00" and t1ce.shape == (80, 96, 72)
    assert by_number[4].text == by_number[4].left_out[0].text + " " + by_number[4].left_out[1].text
    assert not by_number[8].chosen and by_number[8].readable and not by_number[1].readable


def test_too_few_sequences_say_what_is_wrong_with_series(study):
    with pytest.raises(CaseError) as caught:
        chosen_series(*study, {"t1": "", "t2": ""})
    assert caught.value.code == "missing_modality"
    assert caught.value.message.startswith("No series was recognised as T1, T2. series ")
    assert "diffusion" in caught.value.message
    assert "confirm=1" in caught.value.hint
