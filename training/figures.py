"""Figures of a run and of a case, as PNG.

    python -m training.figures curves RUN_DIR --out figures
    python -m training.figures case CASE_DIR --out figures

Pictures of real cases belong to their data sets' terms: write them outside the repository.
"""

import argparse
import csv
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from model.case import find_case_files, find_mask_file, load_case
from model.geometry import to_canonical
from model.labels import REGIONS, from_file_values
from model.modalities import MODALITIES, TITLES
from model.segmenter import Segmenter
from training.prepare import read_labels
from training.scores import SHORT, quick_dice

mpl.use("Agg")
OVERLAY = ListedColormap([(0, 0, 0, 0), *[region.colour for region in REGIONS]])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.figures", description=__doc__.split("\n")[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind, argument in (("curves", "run"), ("case", "case")):
        command = kinds.add_parser(kind)
        command.add_argument(argument, type=Path)
        command.add_argument("--out", type=Path, default=Path("figures"))
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.kind == "curves":
        path = curves(options.run, options.out)
    else:
        path = case_panel(options.case, Segmenter.load(), options.out)
    print(path)
    return 0


def curves(run: Path, out: Path) -> Path:
    """Draw loss and validation Dice by region from a run's `log.csv`; return the PNG's path."""
    with open(run / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}
    epochs = columns["epoch"] + 1
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    left.plot(epochs, columns["loss"], color="#333333")
    left.set(title="Training loss", xlabel="epoch", ylabel="cross-entropy + 1 - Dice")
    colours = {region.short: region.colour for region in REGIONS} | {
        "TC": "#0072B2",
        "WT": "#000000",
    }
    styles = {"TC": "--", "WT": "--"}
    for short in SHORT:
        values = columns[f"val_dice_{short}"]
        known = ~np.isnan(values)
        style = {"color": colours[short], "linestyle": styles.get(short, "-")}
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
