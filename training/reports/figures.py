"""Figures of a run and of a case, as PNG.

    python -m training.reports.figures curves RUN_DIR --out figures
    python -m training.reports.figures case CASE_DIR --out figures
    python -m training.reports.figures scores SCORES_JSON --out figures
    python -m training.reports.figures extremes SCORES_JSON DATA_DIR --out figures

`curves` draws loss and validation Dice of a run, `case` one case with both masks. `scores` draws
what training.evaluate wrote: Dice of each patient by source, and calibration. `extremes` draws the
best, the median and the worst patient of it.

The terms of the data sets cover pictures of real cases, too: write them outside the repository.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from model.errors import CaseError, ModelError
from model.geometry import to_canonical
from model.inference.segmenter import Segmenter
from model.io.case import find_case_files, find_mask_file, load_case
from model.io.modalities import MODALITIES, TITLES
from model.labels import REGIONS, from_file_values
from training.data.labelled import find_labelled_cases, read_labels
from training.data.split import read_patients
from training.scoring import calibration
from training.scoring.by_source import names_by_source
from training.scoring.lesion_wise import LESION_REGIONS
from training.scoring.scores import SHORT, quick_dice

mpl.use("Agg")
ARGUMENTS = {
    "curves": ("run",),
    "case": ("case",),
    "scores": ("scores",),
    "extremes": ("scores", "data_dir"),
}
COLOURS = {region.short: region.colour for region in REGIONS} | {"TC": "#0072B2", "WT": "#000000"}
FIGURE = (6, 4.2)
# Shares of fewer voxels than this are not drawn.
FEWEST_VOXELS = 100
OVERLAY = ListedColormap([(0, 0, 0, 0), *[region.colour for region in REGIONS]])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="training.reports.figures", description=__doc__.split("\n")[0]
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind, positional in ARGUMENTS.items():
        command = kinds.add_parser(kind)
        for argument in positional:
            command.add_argument(argument, type=Path)
        command.add_argument("--out", type=Path, default=Path("figures"))
    options = parser.parse_args(arguments)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        for path in draw(options):
            print(path)
    except (OSError, CaseError, ModelError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def draw(options: argparse.Namespace) -> list[Path]:
    """Draw what the command names; return the PNGs' paths."""
    if options.kind == "curves":
        return [curves(options.run, options.out)]
    if options.kind == "case":
        return [case_panel(options.case, Segmenter.load(), options.out)]
    cases = json.loads(options.scores.read_text())["cases"]
    if options.kind == "scores":
        groups = names_by_source(cases, read_patients())
        return [patients_by_source(cases, groups, options.out), reliability(cases, options.out)]
    folders = {folder.name: folder for folder in find_labelled_cases([options.data_dir])}
    segmenter = Segmenter.load()
    return [case_panel(folders[name], segmenter, options.out) for name in extremes(cases)]


def extremes(cases: dict[str, dict]) -> list[str]:
    """Return the names of the best, the median and the worst case by mean Dice of WT, TC and ET."""

    def mean(name: str) -> float:
        regions = cases[name]["regions"]
        return float(np.mean([regions[short]["dice"] for short in ("WT", "TC", "ET")]))

    ranked = sorted(cases, key=mean, reverse=True)
    return [ranked[0], ranked[len(ranked) // 2], ranked[-1]]


def patients_by_source(cases: dict[str, dict], groups: dict[str, list[str]], out: Path) -> Path:
    """Draw Dice of WT, TC and ET of each patient, and means, by source; return the PNG's path.

    groups : names of cases by source
    """
    figure, axes = plt.subplots(figsize=FIGURE, layout="constrained")
    for column, names in enumerate(groups.values()):
        for offset, short in enumerate(LESION_REGIONS):
            values = [cases[name]["regions"][short]["dice"] for name in names]
            place = column + 0.27 * (offset - 1)
            label = short if column == 0 else None
            axes.bar(place, np.mean(values), 0.25, color=COLOURS[short], alpha=0.5, label=label)
            # Side by side, so that equal ones can be told apart.
            places = place + np.linspace(-0.08, 0.08, len(values))
            axes.plot(
                places, values, "o", color=COLOURS[short], markersize=4, markeredgecolor="#333333"
            )
    titles = [f"{title}\n{len(names)} patients" for title, names in groups.items()]
    axes.set(xticks=range(len(groups)), xticklabels=titles, ylim=(-0.02, 1.02), ylabel="Dice, 3-D")
    axes.set_title("Patients by source, and means")
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3)
    return _save(figure, out / "patients.png")


def reliability(cases: dict[str, dict], out: Path) -> Path:
    """Draw the share of right voxels against their probability, by region; return the PNG's path."""
    counts = {"all": [calibration.marked(case) for case in cases.values()]}
    for number, region in enumerate(REGIONS):
        counts[region.short] = [case["calibration_by_label"][number] for case in cases.values()]
    figure, axes = plt.subplots(figsize=FIGURE, layout="constrained")
    axes.plot((0, 1), (0, 1), color="#888888", linestyle=":")
    for name, found in counts.items():
        curve = calibration.curve(found)
        shown = curve["voxels"] >= FEWEST_VOXELS
        label = f"{name}, error {calibration.expected_error(curve):.3f}"
        style = {"color": COLOURS.get(name, "#000000"), "linewidth": 2.5 if name == "all" else 1}
        confidence, accuracy = curve["confidence"][shown], curve["accuracy"][shown]
        axes.plot(confidence, accuracy, marker=".", label=label, **style)
    axes.set(xlabel="probability of the marked class", ylabel="share of voxels that are right")
    axes.set(xlim=(0, 1), ylim=(0, 1), title="Calibration of marked voxels")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return _save(figure, out / "calibration.png")


def curves(run: Path, out: Path) -> Path:
    """Draw loss and validation Dice by region from a run's `log.csv`; return the PNG's path."""
    with open(run / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}
    epochs = columns["epoch"] + 1
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    left.plot(epochs, columns["loss"], color="#333333")
    left.set(title="Training loss", xlabel="epoch", ylabel="cross-entropy + 1 - Dice")
    styles = {"TC": "--", "WT": "--"}
    for short in SHORT:
        values = columns[f"val_dice_{short}"]
        known = ~np.isnan(values)
        style = {"color": COLOURS[short], "linestyle": styles.get(short, "-")}
        right.plot(epochs[known], values[known], marker=".", label=short, **style)
    right.set(title="Validation Dice, 3-D, mean over patients", xlabel="epoch", ylim=(0, 1))
    right.legend(loc="lower right")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    return _save(figure, out / f"{run.name}_curves.png")


def case_panel(folder: Path, segmenter: Segmenter, out: Path) -> Path:
    """Draw the four channels, the expert's labels and the model's for the largest tumour slice."""
    case = load_case(find_case_files(folder))
    truth = from_file_values(read_labels(find_mask_file(folder), case))
    predicted = segmenter.segment(case).labels
    data, truth, predicted = (
        to_canonical(a, case.affine)[0] for a in (case.data, truth, predicted)
    )
    index = int(np.argmax(np.count_nonzero(truth, axis=(0, 1))))
    figure, axes = plt.subplots(1, 6, figsize=(18, 3.7), layout="constrained", facecolor="black")
    for channel, modality in enumerate(MODALITIES):
        _show(axes[channel], data[:, :, index, channel], TITLES[modality])
    scores = quick_dice(truth, predicted)
    dice = "  ".join(f"{short} {scores[short]:.2f}" for short in SHORT)
    for axis, labels, title in ((axes[4], truth, "Expert"), (axes[5], predicted, "Model")):
        _show(axis, data[:, :, index, 0], title)
        axis.imshow(
            _upright(labels[:, :, index]), OVERLAY, vmin=0, vmax=3, alpha=0.6, interpolation="none"
        )
    handles = [Patch(color=region.colour, label=region.title) for region in REGIONS]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=3, labelcolor="white", facecolor="black"
    )
    figure.suptitle(f"Axial slice {index}.  3-D Dice: {dice}.  Research use only.", color="white")
    return _save(figure, out / f"{folder.name}.png")


def _show(axes, image: np.ndarray, title: str) -> None:
    brain = image[image > 0]
    top = np.percentile(brain, 99.5) if brain.size else 1
    axes.imshow(_upright(image), "gray", vmin=0, vmax=top)
    axes.set_title(title, color="white")
    axes.axis("off")


def _upright(image: np.ndarray) -> np.ndarray:
    """Return an axial RAS+ slice (X, Y) in radiological convention: from the feet, front up."""
    return image[::-1, ::-1].T


def _save(figure, path: Path) -> Path:
    figure.savefig(path, dpi=110, facecolor=figure.get_facecolor())
    plt.close(figure)
    return path


if __name__ == "__main__":
    sys.exit(main())
