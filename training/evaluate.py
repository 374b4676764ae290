"""Score the serving path on labelled cases it has never seen.

    python -m training.evaluate DATA_DIR --json scores.json

Every folder below DATA_DIR with a `*seg.nii*` is read and segmented as a user's upload is, and
scored as a 3-D volume on its own grid. `--only test` keeps to the patients that the model's card
names as test patients. `--beside MODEL_DIR` scores another model on the same cases in the same run.
`--without MODALITY` leaves that file out of every case, and `--voxels X Y Z`
resamples scans and masks first.
"""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

from model.card import ModelCard
from model.errors import CaseError, ModelError
from model.inference.segmenter import Segmenter
from model.io.modalities import MODALITIES, TITLES
from training.data.labelled import find_labelled_cases, patient_of
from training.data.split import read_patients
from training.scoring.by_source import names_by_source, summarise
from training.scoring.labelled_case import mean_lesion_wise, score_folder
from training.scoring.lesion_wise import LESION_REGIONS
from training.scoring.scores import SHORT, mean_scores


def main(arguments: list[str] | None = None) -> int:
    options = read_arguments(arguments)
    model_dirs = [options.model_dir, *([options.beside] if options.beside else [])]
    try:
        segmenter, *others = [
            Segmenter.load(folder, engine=options.engine, quality=options.quality)
            for folder in model_dirs
        ]
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    folders = chosen(find_labelled_cases(options.data_dirs), segmenter.card, options)
    cases, beside, failures = {}, {}, {}
    for folder in track(folders, "Scoring", console=Console(stderr=True)):
        try:
            cases[folder.name] = score_folder(segmenter, folder, options.without, options.voxels)
            for other in others:
                beside[folder.name] = score_folder(other, folder, options.without, options.voxels)
        except (CaseError, ValueError) as error:
            failures[folder.name] = str(error)
    if not cases:
        print("No labelled case that can be segmented was found.", file=sys.stderr)
        return 1
    result = {
        **evaluation(segmenter, cases),
        "without": options.without,
        "voxels_mm": options.voxels,
        "beside": [evaluation(other, beside) for other in others],
        "left_out": failures,
    }
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))
    show(result)
    return 0


def chosen(folders: list[Path], card: ModelCard, options: argparse.Namespace) -> list[Path]:
    """Return the case folders that are asked for: all, or a part of the model's or of the file's split."""
    if options.only:
        wanted = set(card.training["split"][options.only])
        folders = [folder for folder in folders if folder.name in wanted]
    if options.part:
        patients = read_patients()
        known = {folder: patients.get(patient_of(folder.name)) for folder in folders}
        folders = [folder for folder, one in known.items() if one and one.part == options.part]
    return folders


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="training.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("data_dirs", type=Path, nargs="+", metavar="DATA_DIR")
    parser.add_argument("--json", type=Path, help="where to write all scores")
    parser.add_argument("--model-dir", type=Path)
    parser.add_argument("--beside", type=Path, help="another model, scored on the same cases")
    parser.add_argument("--engine", choices=("auto", "tensorflow", "openvino"), default="auto")
    parser.add_argument(
        "--only", choices=("train", "validation", "test"), help="part of the model's own split"
    )
    parser.add_argument(
        "--part", choices=("train", "added", "test"), help="part of training/split.csv"
    )
    parser.add_argument("--quality", choices=("accurate", "fast"), default="accurate")
    parser.add_argument("--without", choices=MODALITIES, help="sequence dropped from every case")
    parser.add_argument(
        "--voxels",
        type=float,
        nargs=3,
        metavar="MM",
        help="score cases resampled to such voxel edges along the axes of their files",
    )
    options = parser.parse_args(arguments)
    if options.json and not options.json.parent.is_dir():
        parser.error(f"argument --json: there is no folder {options.json.parent}")
    if options.voxels and min(options.voxels) <= 0:
        parser.error("argument --voxels: edges must be more than 0 mm")
    return options


def evaluation(segmenter: Segmenter, cases: dict[str, dict]) -> dict:
    """Return a model with its scores by case, and their means."""
    means = mean_scores(list(cases.values())) | {"lesion_wise": mean_lesion_wise(cases)}
    return {"model": describe(segmenter), "cases": cases, "mean": means}


def describe(segmenter: Segmenter) -> dict:
    """Return which model was scored, what computed it, and how it was trained."""
    card, provenance = segmenter.card, segmenter.provenance
    return {
        "name": card.name,
        "version": card.version,
        "checksum": card.checksum,
        "weights": card.weights,
        "device": provenance.text,
        "averaged": provenance.averaged,
        "temperatures": card.postprocessing.temperatures,
        "training": card.training,
    }


def title_of(result: dict) -> str:
    """Return a title that says what was done to the cases before they were scored."""
    without, edges = result["without"], result["voxels_mm"]
    lacking = f" without {TITLES[without]}" if without else ""
    resampled = f" at {' x '.join(f'{edge:g}' for edge in edges)} mm" if edges else ""
    return f"Cases{lacking}{resampled}"


def show(result: dict) -> None:
    """Print Dice by case, and the means of every score."""
    console = Console()
    table = Table(
        Column("case", no_wrap=True),
        *[f"Dice {short}" for short in SHORT],
        "accuracy",
        "s",
        title=title_of(result),
    )
    for name, scores in result["cases"].items():
        dice = [f"{scores['regions'][short]['dice']:.3f}" for short in SHORT]
        seconds = scores["seconds"]["read"] + scores["seconds"]["segment"]
        table.add_row(name, *dice, f"{scores['accuracy']:.4f}", f"{seconds:.1f}")
    console.print(table)
    show_means(console, result)
    for shown in (result, *result["beside"]):
        show_sources(console, shown)
    for name, reason in result["left_out"].items():
        console.print(f"left out {name}: {reason}")


def show_means(console: Console, result: dict) -> None:
    """Print the means of every score over all cases."""
    mean = result["mean"]
    titles = ("Dice", "HD95 mm", "volume error mL", "precision", "recall")
    table = Table("mean over patients", *titles)
    for short, scores in mean["regions"].items():
        table.add_row(short, *[f"{value:.3f}" for value in scores.values()])
    console.print(table)
    table = Table("lesion-wise", "Dice", "HD95 mm", "lesions", "missed", "false")
    for short, scores in mean["lesion_wise"].items():
        means = [f"{scores[key]:.3f}" for key in ("dice", "hd95_mm")]
        table.add_row(short, *means, *[str(scores[key]) for key in ("lesions", "missed", "false")])
    console.print(table)
    console.print(f"accuracy {mean['accuracy']:.4f}, dice loss {mean['dice_loss']:.4f}")


def show_sources(console: Console, result: dict) -> None:
    """Print mean and median Dice by source of the patients, on whole volumes and lesion by lesion."""
    groups = names_by_source(result["cases"], read_patients())
    found = {
        (source, len(names)): summarise([result["cases"][name] for name in names])
        for source, names in groups.items()
    }
    model = f"{result['model']['version']} {result['model']['checksum'][:12]}"
    for kind, columns in (("", SHORT), ("lesion-wise ", LESION_REGIONS)):
        table = Table("source", "patients", *columns, title=f"{model}: {kind}mean (median)")
        for (source, count), scores in found.items():
            shown = [scores[f"{kind}{short}"] for short in columns]
            cells = [f"{one.mean:.3f} ({one.median:.2f})" for one in shown]
            table.add_row(source, str(count), *cells)
        console.print(table)


if __name__ == "__main__":
    sys.exit(main())
