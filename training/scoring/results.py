"""The results of all experiments: two tables in `training/results/`.

`scores.csv` has a row for each experiment, case and region, with the region's scores (`dice` to
`recall`), its lesion-wise scores where they were taken (`lesion_dice` to `false`), and the case's
own (`accuracy` to `seconds_segment`) in each of its rows. `experiments.csv` has a row for each
experiment. What the settings of an experiment are is in `training/experiments.toml`.
"""

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.scoring.scores import SHORT, dice_loss

RESULTS = Path(__file__).parents[1] / "results"
SCORES, EXPERIMENTS = "scores.csv", "experiments.csv"
REGION_SCORES = ("dice", "hd95_mm", "volume_error_ml", "precision", "recall")
# Columns of the table, and the names of these scores in `score_lesions`.
LESION_SCORES = {
    "lesion_dice": "dice",
    "lesion_hd95_mm": "hd95_mm",
    "lesions": "lesions",
    "missed": "missed",
    "false": "false",
}
CASE_SCORES = ("accuracy", "seconds_read", "seconds_segment")
KEY = ("experiment", "case", "region")
SCORES_COLUMNS = (*KEY, *REGION_SCORES, *LESION_SCORES, *CASE_SCORES)
EXPERIMENTS_COLUMNS = ("experiment", "hash", "minutes", "slices_per_s")
COUNTS = ("lesions", "missed", "false")


@dataclass(frozen=True)
class Result:
    """What an experiment gave.

    hash : of its settings, see `Experiment.hash`
    minutes : that all its trainings took
    slices_per_s : that they were trained on
    cases : scores by case, as `score_folder` returns them
    """

    hash: str
    minutes: float
    slices_per_s: float
    cases: dict[str, dict]


def read_results(folder: Path = RESULTS) -> dict[str, Result]:
    """Return the results by experiment; none if the folder has no tables."""
    cases: dict[str, dict[str, dict]] = {}
    for row in _rows(folder / SCORES):
        of_experiment = cases.setdefault(row["experiment"], {})
        _add(of_experiment.setdefault(row["case"], _empty_case(row)), row)
    for case in (case for of_experiment in cases.values() for case in of_experiment.values()):
        case["dice_loss"] = dice_loss(case["regions"])
    return {
        row["experiment"]: Result(
            row["hash"],
            float(row["minutes"]),
            float(row["slices_per_s"]),
            cases[row["experiment"]],
        )
        for row in _rows(folder / EXPERIMENTS)
    }


def write_result(name: str, result: Result, folder: Path = RESULTS) -> None:
    """Put the result of experiment `name` into the tables; other experiments' rows stay.

    The row in `experiments.csv`, by which a result is found, is written last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    about = dict(
        zip(
            EXPERIMENTS_COLUMNS,
            (name, result.hash, result.minutes, result.slices_per_s),
            strict=True,
        )
    )
    for file, columns, own in (
        (SCORES, SCORES_COLUMNS, _score_rows(name, result)),
        (EXPERIMENTS, EXPERIMENTS_COLUMNS, [about]),
    ):
        others = [row for row in _rows(folder / file) if row["experiment"] != name]
        _replace(folder / file, columns, [*others, *own])


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def _replace(path: Path, columns: tuple[str, ...], rows: Iterable[dict]) -> None:
    """Write a table, sorted, beside `path` and move it there: readers see the old or the new one."""
    partial = path.with_suffix(".partial")
    with open(partial, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=_place))
    os.replace(partial, path)


def _place(row: dict) -> tuple:
    """Return what rows are sorted by: experiment, case, and regions in their usual order."""
    region = list(SHORT).index(row["region"]) if "region" in row else 0
    return row["experiment"], row.get("case", ""), region


def _score_rows(name: str, result: Result) -> list[dict]:
    """Return the rows of an experiment in `scores.csv`, numbers rounded to six digits."""
    rows = []
    for case, scores in result.cases.items():
        seconds = {f"seconds_{key}": scores["seconds"][key] for key in ("read", "segment")}
        for region, values in scores["regions"].items():
            lesions = scores.get("lesion_wise", {}).get(region, {})
            numbers = values | {"accuracy": scores["accuracy"]} | seconds
            numbers |= {column: lesions[key] for column, key in LESION_SCORES.items() if lesions}
            key = {"experiment": name, "case": case, "region": region}
            rows.append(key | {column: f"{value:.6g}" for column, value in numbers.items()})
    return rows


def _empty_case(row: dict[str, str]) -> dict:
    """Return the scores of a case by a row of any of its regions, without the regions."""
    seconds = {key: float(row[f"seconds_{key}"]) for key in ("read", "segment")}
    return {"regions": {}, "accuracy": float(row["accuracy"]), "seconds": seconds}


def _add(case: dict, row: dict[str, str]) -> None:
    """Add the scores of one region, from its row, to those of its case."""
    case["regions"][row["region"]] = {key: float(row[key]) for key in REGION_SCORES}
    if row["lesion_dice"]:
        case.setdefault("lesion_wise", {})[row["region"]] = {
            key: (int if key in COUNTS else float)(row[column])
            for column, key in LESION_SCORES.items()
        }
