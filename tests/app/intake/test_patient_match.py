"""Which cases are of one patient."""

from datetime import date

import pytest

from app.intake.dicom_study import Patient
from app.intake.patient_match import Labels, as_day, is_same, labels_in, study_day

JANE = Patient(name="DOE^JANE", identifier="A-17", birth_date="19600102")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (JANE, True),
        (Patient(identifier="a-17 "), True),
        (Patient(name="Doe^Jane^Q=x", identifier="A-17", birth_date="19600102"), True),
        (Patient(name="Doe^John", identifier="A-17"), False),
        (Patient(identifier="A-17", birth_date="19600103"), False),
        (Patient(name="DOE^JANE", identifier="B-1", birth_date="19600102"), False),
        # Without an identifier the name alone is not enough.
        (Patient(name="Doe^Jane", birth_date="19600102"), True),
        (Patient(name="Doe^Jane"), False),
        (Patient(), False),
    ],
)
def test_same_patient(other, same):
    assert is_same(JANE, other) is same
    assert is_same(other, JANE) is same


@pytest.mark.parametrize("identifier", ["", "ANON", "anonymous", "0"])
def test_what_stands_for_a_removed_identifier_is_none(identifier):
    one = Patient(identifier=identifier)
    assert not is_same(one, one)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["sub-017_ses-2_T1w.nii.gz", "sub-017_ses-2_FLAIR.nii.gz"], Labels("017", "2")),
        (["Case 1", "bids/sub-Ab1_ses-pre_T2w.nii"], Labels("Ab1", "pre")),
        # Without a session, and of two patients.
        (["sub-01_T1w.nii.gz"], Labels()),
        (["sub-01_ses-1_T1w.nii.gz", "sub-02_ses-1_T2w.nii.gz"], Labels()),
        (["BraTS_sub-1"], Labels()),
        ([], Labels()),
    ],
)
def test_labels(names, expected):
    assert labels_in(names) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20240229", date(2024, 2, 29)),
        ("2024-02-29", date(2024, 2, 29)),
        ("20230229", None),
        ("00010101", None),
        ("2024-0229", None),
        ("2024", None),
        ("", None),
    ],
)
def test_days(text, expected):
    assert as_day(text) == expected


def test_the_date_of_a_study():
    assert study_day(Patient(study_date="20240105"), Labels("1", "20230101")) == date(2024, 1, 5)
    assert study_day(Patient(), Labels("1", "20230101")) == date(2023, 1, 1)
    assert study_day(None, Labels("1", "2")) is None
