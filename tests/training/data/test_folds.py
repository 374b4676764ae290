"""Folds of cross-validation: who is held out, and who is trained on."""

import json

from training.data.folds import file_fold, fold_split, without_fold
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


def test_a_share_of_later_patients_of_each_source_is_trained_on():
    split = {
        "train": ["old0", "old1", "phantom_1000"],
        "added": [f"a{i}" for i in range(12)],
        "slices": [f"s{i}" for i in range(8)],
        "test": ["never"],
    }
    entries = [
        {"case": name, "source": "ssa" if number < 8 else "brats", "fold": number % 2}
        for part in ("train", "added", "slices")
        for number, name in enumerate(split[part])
        if name != "phantom_1000"
    ]
    entries.append({"case": "phantom_1000"})
    every, half, none = (
        file_fold(split, entries, Folds(parts=("train", "added", "slices"), later_share=share), 0)
        for share in (1, 0.5, 0)
    )
    assert every["validation"] == half["validation"] == ["a0", "a2", "a4", "a6", "a8", "a10"]
    assert none["train"] == ["old1", "phantom_1000"]
    assert set(none["train"]) < set(half["train"]) < set(every["train"])
    of_ssa = {"a1", "a3", "a5", "a7"}
    assert len(of_ssa & set(half["train"])) == 2 and of_ssa < set(every["train"])
    assert {"a9", "a11"} & set(half["train"]) and len(half["train"]) == 2 + 3 + 2


def test_a_fold_of_the_file_is_held_out_in_every_part():
    parts = {"train": ["a", "b", "phantom_1000"], "added": ["c"], "slices": ["d"], "partial": ["e"]}
    fold_of = {"a": 0, "b": 1, "c": 1, "d": 1, "e": 1, "never": 1, "phantom_1000": None}
    assert without_fold(parts, fold_of, 1) == {
        "train": ["a", "phantom_1000"],
        "validation": ["b", "c"],
    }
    assert without_fold(parts, fold_of, 0)["validation"] == ["a"]
