"""The cases of one fold of cross-validation: a fold of the split file, or one drawn anew."""

import random

from training.data.labelled import patient_of
from training.experiments import Folds

# Parts that are only trained on, since their cases cannot be segmented as a user's are.
INCOMPLETE = ("partial", "slices")
# Parts that only the last stage is trained on.
LATER = ("added", "slices")


def fold_split(split: dict[str, list[str]], folds: Folds, number: int) -> dict[str, list[str]]:
    """Return the cases of fold `number`, held out and trained on, by part of the split.

    The test part is left out. Whole patients are divided, so that several visits of one stay
    together. Synthetic cases are always trained on.
    """
    synthetic = [name for name in split["train"] if name.startswith("phantom_")]
    real = sorted(set(split["train"] + split["validation"]) - set(synthetic))
    patients = sorted({patient_of(name) for name in real})
    random.Random(folds.seed).shuffle(patients)
    held_out = set(patients[number :: folds.count])
    kept = [patient for patient in patients if patient not in held_out]
    kept = set(kept[: folds.patients or None])
    return {
        "train": [name for name in real if patient_of(name) in kept]
        + (split["partial"] if folds.partial else [])
        + synthetic,
        "validation": [name for name in real if patient_of(name) in held_out],
        "test": [],
    }


def file_fold(
    split: dict[str, list[str]], entries: list[dict], folds: Folds, number: int
) -> dict[str, list[str]]:
    """Return the cases of fold `number` of the split file, held out and trained on.

    split : of prepared data ; entries : the index of its cases
    """
    fold_of = {entry["case"]: entry.get("fold") for entry in entries}
    train = []
    for part in folds.parts:
        names = [name for name in split[part] if fold_of[name] != number]
        train += share_of(names, entries, folds) if part in LATER else names
    scored = [name for name in split["added"] if fold_of[name] == number]
    return {"train": train, "validation": scored, "test": []}


def share_of(names: list[str], entries: list[dict], folds: Folds) -> list[str]:
    """Return a share of the cases of each source; a smaller share is part of a larger one."""
    by_source: dict[str, list[str]] = {}
    for entry in entries:
        if entry["case"] in names:
            by_source.setdefault(entry["source"], []).append(entry["case"])
    kept: set[str] = set()
    for cases in by_source.values():
        random.Random(folds.seed).shuffle(cases)
        kept |= set(cases[: round(folds.later_share * len(cases))])
    return [name for name in names if name in kept]


def without_fold(
    parts: dict[str, list[str]], fold_of: dict[str, int | None], number: int
) -> dict[str, list[str]]:
    """Return the cases of `parts` without fold `number` of the split file, and the fold's whole cases.

    parts : names of cases to be trained on, by part of the split
    fold_of : fold of each case; none for phantoms
    """
    held_out = {name for name, fold in fold_of.items() if fold == number}
    return {
        "train": [name for names in parts.values() for name in names if name not in held_out],
        "validation": [
            name
            for part, names in parts.items()
            if part not in INCOMPLETE
            for name in names
            if name in held_out
        ],
    }
