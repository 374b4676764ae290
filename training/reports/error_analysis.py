"""Measure what limits accuracy, and write it to `docs/error-analysis.md`.

    python -m training.reports.error_analysis DATA_DIR [DATA_DIR ...]

The effects of longer training and of more patients come from the results of `training.crossval`. What
one voxel of an expert's border is worth, and how well the model fits patients that it was trained on,
is measured on the labelled cases below DATA_DIR.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy import ndimage

from model.card import ModelCard, read_card
from model.errors import CaseError, ModelError
from model.inference.segmenter import Segmenter
from model.io.case import find_case_files, find_mask_file, load_case
from model.labels import from_file_values
from training.data.labelled import find_labelled_cases, read_labels
from training.experiments import CONFIG, Experiment, read_experiments
from training.networks.trained import TWIN
from training.reports.card_tables import table
from training.reports.experiments_page import SHOWN, dice_table
from training.scoring.labelled_case import score_folder
from training.scoring.results import RESULTS, Result, read_results
from training.scoring.scores import SHORT, dice, mean_scores
from training.settings import read_toml

PAGE = Path(__file__).parents[2] / "docs" / "error-analysis.md"
# Experiments that differ in the length of training, and in the number of patients trained on.
LENGTHS = ("three-planes", "long-patches")
PATIENTS = ("later-none", "later-quarter", "later-half", "later-all")
MOVED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "one voxel inwards": ndimage.binary_erosion,
    "one voxel outwards": ndimage.binary_dilation,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="training.reports.error_analysis", description=__doc__.split("\n")[0]
    )
    parser.add_argument("data_dirs", type=Path, nargs="+", metavar="DATA_DIR")
    parser.add_argument("--model-dir", type=Path, help="trained on all patients; the shipped one")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--report", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    try:
        segmenter = Segmenter.load(options.model_dir)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    fitted, borders = measure(segmenter, find_labelled_cases(options.data_dirs))
    if not fitted:
        print("No labelled case that can be segmented was found.", file=sys.stderr)
        return 1
    experiments = read_experiments(read_toml(CONFIG), CONFIG.parent)
    results = read_results(options.results)
    options.report.write_text(
        TEXT.format(
            lengths=experiments_table(LENGTHS, experiments, results),
            patients=experiments_table(PATIENTS, experiments, results),
            fitted=fit_table(segmenter.card, fitted),
            borders=border_table(borders),
            count=len(fitted),
        )
    )
    return 0


def measure(
    segmenter: Segmenter, folders: list[Path]
) -> tuple[dict[str, dict], dict[str, list[dict[str, float]]]]:
    """Return the model's scores by case, and Dice of moved borders by how they were moved."""
    fitted: dict[str, dict] = {}
    borders: dict[str, list[dict[str, float]]] = {title: [] for title in MOVED}
    for folder in track(folders, "Measuring", console=Console(stderr=True)):
        try:
            fitted[folder.name] = score_folder(segmenter, folder)
            case = load_case(find_case_files(folder))
            truth = from_file_values(read_labels(find_mask_file(folder), case))
        except (CaseError, ValueError) as error:
            print(f"left out {folder.name}: {error}", file=sys.stderr)
            continue
        for title, move in MOVED.items():
            borders[title].append(moved_border(truth, move))
    return fitted, borders


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
    tested = set(read_card(TWIN).training["split"]["test"])
    groups = {
        "test patients, trained on": [fitted[name] for name in tested & set(fitted)],
        "all patients, trained on": list(fitted.values()),
    }
    for title, cases in groups.items():
        if cases:
            regions = mean_scores(cases)["regions"]
            rows.append((title, *_dice(regions[short]["dice"] for short in SHOWN)))
    return table(("model and patients", *SHOWN), rows)


def experiments_table(
    names: tuple[str, ...], experiments: dict[str, Experiment], results: dict[str, Result]
) -> str:
    """Return mean Dice of the experiments of these names that have a result, with their steps."""
    rows = []
    for name in names:
        if name not in results:
            continue
        trained = ", then ".join(
            f"{stage.epochs * stage.steps_per_epoch:,} of {stage.batch}"
            for stage in experiments[name].trainings[0]
        )
        means = np.mean(list(dice_table(results[name]).values()), axis=0)[: len(SHOWN)]
        rows.append((name, trained, str(len(results[name].cases)), *_dice(means)))
    return table(("experiment", "steps", "patients scored", *SHOWN), rows)


def _dice(values) -> tuple[str, ...]:
    return tuple(f"{value:.3f}" for value in values)


TEXT = """# What limits accuracy

Written by `python -m training.reports.error_analysis`; do not edit. All figures are mean Dice over
patients, on whole volumes through the serving path.

## Length of training

Cross-validation over the same patients ([experiments.md](experiments.md)): steps, and patches in each.
The longer training also has the shipped post-processing.

{lengths}

## Number of patients

A short training without the patients who came with the last stage, with a quarter and half of those of each source,
and with all of them; scored on patients whom none of these saw:

{patients}

## Patients that it was trained on

The shipped model was trained on every patient at hand. The first row is from the model card: its twin,
which was trained without the test patients.

{fitted}

## One voxel of the border

The expert's own regions, shrunk or grown by one voxel (six neighbours), scored against themselves, over
the {count} labelled patients:

{borders}
"""

if __name__ == "__main__":
    sys.exit(main())
