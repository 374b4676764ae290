"""Score the serving path on labelled cases it has never seen.

    python -m training.evaluate DATA_DIR --json scores.json

Every folder below DATA_DIR with a `*seg.nii*` is read, segmented and scored as a user's upload
would be: on its 3-D volume and its own grid. `--only test` keeps to the patients that
the model's card names as test patients.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

from model.case import find_case_files, find_mask_file, load_case
from model.errors import CaseError, ModelError
from model.labels import from_file_values
from model.segmenter import Segmenter
from training.prepare import find_labelled_cases, read_labels
from training.scores import SHORT, mean_scores, score_case


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("data_dirs", type=Path, nargs="+", metavar="DATA_DIR")
    parser.add_argument("--json", type=Path, help="where to write all scores")
    parser.add_argument("--model-dir", type=Path)
    parser.add_argument("--engine", choices=("auto", "tensorflow", "openvino"), default="auto")
    parser.add_argument(
        "--only", choices=("train", "validation", "test"), help="part of the model's own split"
    )
    options = parser.parse_args(arguments)
    try:
        segmenter = Segmenter.load(options.model_dir, engine=options.engine)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    folders = find_labelled_cases(options.data_dirs)
    if options.only:
        wanted = set(segmenter.card.training["split"][options.only])
        folders = [folder for folder in folders if folder.name in wanted]
    cases, failures = {}, {}
    for folder in track(folders, "Scoring", console=Console(stderr=True)):
        try:
            cases[folder.name] = evaluate_folder(segmenter, folder)
        except (CaseError, ValueError) as error:
            failures[folder.name] = str(error)
    if not cases:
        print("No labelled case with all four sequences was found.", file=sys.stderr)
        return 1
    result = {
        "model": {"name": segmenter.card.name, "version": segmenter.card.version}
        | {"checksum": segmenter.card.checksum, "device": segmenter.device},
        "cases": cases,
        "mean": mean_scores(list(cases.values())),
        "left_out": failures,
    }
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))
    show(result)
    return 0


def evaluate_folder(segmenter: Segmenter, folder: Path) -> dict:
    """Return the scores of one case folder, with the seconds that reading and segmenting took."""
    started = time.perf_counter()
    case = load_case(find_case_files(folder))
    loaded = time.perf_counter()
    result = segmenter.segment(case)
    finished = time.perf_counter()
    truth = from_file_values(read_labels(find_mask_file(folder), case))
    return score_case(truth, result.labels, case.spacing_mm) | {
        "seconds": {
            "read": round(loaded - started, 3),
            "segment": round(finished - loaded, 3),
            **result.timings_s,
        }
    }


def show(result: dict) -> None:
    """Print Dice by case, and the means of every score."""
    console = Console()
    table = Table(
        Column("case", no_wrap=True),
        *[f"Dice {short}" for short in SHORT],
        "accuracy",
        "s",
        title="Cases",
    )
    for name, scores in result["cases"].items():
        dice = [f"{scores['regions'][short]['dice']:.3f}" for short in SHORT]
        seconds = scores["seconds"]["read"] + scores["seconds"]["segment"]
        table.add_row(name, *dice, f"{scores['accuracy']:.4f}", f"{seconds:.1f}")
    console.print(table)
    mean = result["mean"]
    titles = ("Dice", "HD95 mm", "volume error mL", "precision", "recall")
    table = Table("mean over patients", *titles)
    for short, scores in mean["regions"].items():
        table.add_row(short, *[f"{value:.3f}" for value in scores.values()])
    console.print(table)
    console.print(f"accuracy {mean['accuracy']:.4f}, dice loss {mean['dice_loss']:.4f}")
    for name, reason in result["left_out"].items():
        console.print(f"left out {name}: {reason}")


if __name__ == "__main__":
    sys.exit(main())
