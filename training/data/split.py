"""The split of patients, as `training/split.csv` has it: who is tested on, and the folds of all others.

The file has a row for each patient: `patient`, `source`, `part`, `fold` and, separated by spaces, the
`other_names` of the same patient in other releases.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SPLIT = Path(__file__).parents[1] / "split.csv"
Source = Literal["brats", "low_grade", "ssa"]
# What sources are called in reports.
SOURCE_TITLES: dict[Source, str] = {
    "brats": "BraTS",
    "low_grade": "BraTS, low grade",
    "ssa": "sub-Saharan Africa",
}


@dataclass(frozen=True)
class Patient:
    """One patient of the split.

    source : where the scans come from
    part : "test", or of the others "train" (all stages of a training), "added" (its last stage alone)
        or "slices" (the same, of single slices alone)
    fold : of cross-validation, from 0; None for a test patient
    """

    name: str
    source: Source
    part: str
    fold: int | None


def read_patients(path: Path = SPLIT) -> dict[str, Patient]:
    """Return the patients of a split file by each of their names."""
    patients = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            fold = int(row["fold"]) if row["fold"] else None
            patient = Patient(row["patient"], row["source"], row["part"], fold)
            for name in (row["patient"], *row["other_names"].split()):
                patients[name] = patient
    return patients


def part_of(entry: dict, patient: Patient) -> str:
    """Return the part of a case of a known patient, by its entry in the index of prepared cases.

    Single slices are parts of their own, and so are cases that lack sequences and are trained on.
    """
    if entry.get("isolated"):
        return "test_slices" if patient.part == "test" else "slices"
    return "partial" if entry["missing"] and patient.part != "test" else patient.part


def check_sides(entries: list[dict], split: dict[str, list[str]]) -> None:
    """Raise ValueError if cases of one patient are both tested and trained on."""
    tested = {*split["test"], *split.get("test_slices", [])}
    sides: dict[str, dict[bool, str]] = {}
    for entry in entries:
        sides.setdefault(entry["patient"], {})[entry["case"] in tested] = entry["case"]
    for both in sides.values():
        if len(both) == 2:
            raise ValueError(f"{both[True]} is tested on, but {both[False]} is the same patient")
