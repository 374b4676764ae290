"""How patients are divided for cross-validation."""

import random
from dataclasses import dataclass

from pydantic import ConfigDict

from training import prepare


@dataclass(frozen=True)
class Folds:
    """How patients are divided: `count` folds drawn with `seed`, of which `run` are held out.

    patients : how many of the other folds' patients are trained on, in a fixed order; 0 is all
    partial : whether cases that lack sequences are trained on, too
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    count: int = 4
    run: tuple[int, ...] = (0, 1)
    seed: int = 0
    patients: int = 0
    partial: bool = False


def fold_split(split: dict[str, list[str]], folds: Folds, number: int) -> dict[str, list[str]]:
    """Return the cases of one fold: all but the test part, held out in turn.

    Cases that are one patient were put into one part by `training.prepare`, which is kept together
    here by dividing whole patients; synthetic cases are always trained on.
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


def patient_of(name: str) -> str:
    visit = prepare.VISIT.match(name)
    return visit[1] if visit else name
