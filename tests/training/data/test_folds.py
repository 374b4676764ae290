"""Folds of cross-validation: who is held out, and who is trained on."""

import json

from training.data.folds import fold_split, without_fold
from training.experiments import Folds

SPLIT = {
    "train": ["BraTS-GLI-7-000", "BraTS-GLI-7-001", *(f"c{i}" for i in range(8)), "phantom_1000"],
    "validation": ["c8", "c9"],
    "test": ["never"],
    "partial": ["half"],
}


def test_folds_hold_out_every_patient_once_and_never_the_test_part():
    folds = Folds(count=3)
    parts = [fold_split(SPLIT, folds, number) for number in range(3)]
    held_out = sum((part["validation"] for part in parts), [])
    assert sorted(held_out) == sorted(set(SPLIT["train"] + SPLIT["validation"]) - {"phantom_1000"})
    for part in parts:
        assert not set(part["train"]) & set(part["validation"])
        assert "phantom_1000" in part["train"] and part["test"] == []
        # Two visits of one patient.
        assert ("BraTS-GLI-7-000" in part["train"]) == ("BraTS-GLI-7-001" in part["train"])
    assert "never" not in json.dumps(parts)
    assert parts[0] != fold_split(SPLIT, Folds(count=3, seed=1), 0)


def test_cases_that_lack_sequences_are_only_trained_on_and_only_if_asked_for():
    for number in range(4):
        plain, more = (fold_split(SPLIT, Folds(partial=p), number) for p in (False, True))
        assert set(more["train"]) - set(plain["train"]) == {"half"}
        assert more["validation"] == plain["validation"]


def test_fewer_patients_are_a_part_of_more():
    few = fold_split(SPLIT, Folds(patients=3), 0)
    assert set(few["train"]) < set(fold_split(SPLIT, Folds(), 0)["train"])
    assert few["validation"] == fold_split(SPLIT, Folds(), 0)["validation"]


def test_a_fold_of_the_file_is_held_out_in_every_part():
    parts = {"train": ["a", "b", "phantom_1000"], "added": ["c"], "slices": ["d"], "partial": ["e"]}
    fold_of = {"a": 0, "b": 1, "c": 1, "d": 1, "e": 1, "never": 1, "phantom_1000": None}
    assert without_fold(parts, fold_of, 1) == {
        "train": ["a", "phantom_1000"],
        "validation": ["b", "c"],
    }
    assert without_fold(parts, fold_of, 0)["validation"] == ["a"]
