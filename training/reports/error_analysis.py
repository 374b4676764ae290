"""Measure what limits accuracy, and write it to `training/LIMITS.md`.

    python -m training.limits DATA_DIR [DATA_DIR ...]

How long and on how many patients was trained comes from the results of `training.crossval`; how far
an expert's border decides, and how well patients are fitted once they were trained on, is measured
on the labelled cases below DATA_DIR.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy import ndimage

from model.card import ModelCard
from model.errors import CaseError, ModelError
from model.inference.segmenter import Segmenter
from model.io.case import find_case_files, find_mask_file, load_case
from model.labels import from_file_values
from training.evaluate import evaluate_folder
from training.prepare import find_labelled_cases, read_labels
from training.reports.card_tables import table
from training.reports.experiments import SHOWN, dice_table
from training.reports.provenance import lineages
from training.scoring.scores import SHORT, dice, mean_scores

HERE = Path(__file__).parent
# Experiments that differ in how long was trained, and in how many patients were trained on.
LENGTHS = ("three-planes", "long-patches")
PATIENTS = ("half-patients", "base")
MOVED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "one voxel inwards": ndimage.binary_erosion,
    "one voxel outwards": ndimage.binary_dilation,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.limits", description=__doc__.split("\n")[0])
    parser.add_argument("data_dirs", type=Path, nargs="+", metavar="DATA_DIR")
    parser.add_argument("--model-dir", type=Path, help="trained on all patients; the shipped one")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--report", type=Path, default=HERE / "LIMITS.md")
    options = parser.parse_args(arguments)
    try:
        segmenter = Segmenter.load(options.model_dir)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    fitted: dict[str, dict] = {}
    borders: dict[str, list[dict[str, float]]] = {title: [] for title in MOVED}
    folders = find_labelled_cases(options.data_dirs)
    for folder in track(folders, "Measuring", console=Console(stderr=True)):
        try:
            fitted[folder.name] = evaluate_folder(segmenter, folder)
            truth = from_file_values(
                read_labels(find_mask_file(folder), load_case(find_case_files(folder)))
            )
        except (CaseError, ValueError) as error:
            print(f"left out {folder.name}: {error}", file=sys.stderr)
            continue
        for title, move in MOVED.items():
            borders[title].append(moved_border(truth, move))
    if not fitted:
        print("No labelled case that can be segmented was found.", file=sys.stderr)
        return 1
    options.report.write_text(
        TEXT.format(
            lengths=experiments_table(LENGTHS, options.results),
            patients=experiments_table(PATIENTS, options.results),
            fitted=fit_table(segmenter.card, fitted),
            borders=border_table(borders),
            count=len(fitted),
        )
    )
    return 0


def moved_border(truth: np.ndarray, move: Callable[[np.ndarray], np.ndarray]) -> dict[str, float]:
    """Return Dice by region of a label volume with itself, each region's border moved by `move`.

    Regions that the case does not have are left out.
    """
    masks = {short: np.isin(truth, classes) for short, classes in SHORT.items()}
    return {short: dice(mask, move(mask)) for short, mask in masks.items() if mask.any()}


def border_table(borders: dict[str, list[dict[str, float]]]) -> str:
    """Return mean Dice over the patients who have a region, by what was done to its border."""
    rows = []
    for title, patients in borders.items():
        means = [np.mean([p[short] for p in patients if short in p] or np.nan) for short in SHOWN]
        rows.append((title, *_dice(means)))
    return table(("border", *SHOWN), rows)


def fit_table(card: ModelCard, fitted: dict[str, dict]) -> str:
    """Return mean Dice on the test patients before and after they were trained on, and on all."""
    rows = []
    if card.scores:
        regions = card.scores["regions"]
        rows.append(("test patients, never seen", *_dice(regions[s]["dice"] for s in SHOWN)))
    # The last part may have trained on the test patients, and then holds none out.
    networks = lineages(card.weights, card.training)
    tested = {name for parts in networks for part in parts for name in part["split"]["test"]}
    groups = {
        "test patients, trained on": [fitted[name] for name in tested & set(fitted)],
        "all patients, trained on": list(fitted.values()),
    }
    for title, cases in groups.items():
        if cases:
            regions = mean_scores(cases)["regions"]
            rows.append((title, *_dice(regions[short]["dice"] for short in SHOWN)))
    return table(("model and patients", *SHOWN), rows)


def experiments_table(names: tuple[str, ...], results: Path) -> str:
    """Return mean Dice of the experiments of these names that have a result, with their steps."""
    rows = []
    for name in names:
        if not (results / f"{name}.json").exists():
            continue
        result = json.loads((results / f"{name}.json").read_text())
        settings = result["settings"]
        parts = [settings["train"], *settings.get("then", [])]
        trained = ", then ".join(
            f"{part['epochs'] * part['steps_per_epoch']:,} of {part['batch']}" for part in parts
        )
        means = np.mean(list(dice_table(result).values()), axis=0)[: len(SHOWN)]
        rows.append((name, trained, str(len(result["cases"])), *_dice(means)))
    return table(("experiment", "steps", "patients scored", *SHOWN), rows)


def _dice(values) -> tuple[str, ...]:
    return tuple(f"{value:.3f}" for value in values)


TEXT = """# What limits accuracy

Written by `python -m training.limits`; do not edit. All figures are mean Dice over patients, on whole
volumes through the serving path.

## How long it was trained

Cross-validation over the same patients (`EXPERIMENTS.md`); steps, and how many slices or patches each
has. The longer one also has the shipped post-processing.

{lengths}

## How many patients were trained on

Half of the other folds' patients, and all of them:

{patients}

## How well those patients are fitted that it was trained on

The shipped model has been trained on every patient at hand; that of the model card is its twin,
trained without the test patients.

{fitted}

## What a border is worth

The expert's own regions, grown or shrunk by one voxel (six neighbours), against themselves, over the {count}
labelled patients:

{borders}
"""

if __name__ == "__main__":
    sys.exit(main())
