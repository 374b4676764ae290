"""Decide between recipes by cross-validation over patients.

    python -m training.crossval DATA_DIR [DATA_DIR ...] [--only NAME ...] [--train-only FOLD ...]

Runs every experiment of `training/experiments.toml` that has no result for its settings: trains on
each fold, exports, and scores the serving path on the fold's own patients. An interrupted run goes
on where it stopped. Folds can be trained side by side, each in a process with `--train-only`, before
a run without it scores them: two processes of one thread are faster than one of two. Scores are put
into the tables in `training/results/`, and `docs/experiments.md` is written from them. The test part
of the prepared data is never read.
"""

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from model.errors import ModelError
from model.inference.segmenter import Segmenter
from model.preprocess import Preprocessing
from training import prepare
from training.data.folds import file_fold, fold_split
from training.data.labelled import find_labelled_cases
from training.data.prepared import load_index, load_preprocessing, load_split
from training.experiments import CONFIG, Experiment, Folds, digest, read_experiments
from training.export import export, make_card
from training.reports.experiments_page import PAGE, SHOWN, write_page
from training.scoring.labelled_case import score_folder
from training.scoring.results import RESULTS, Result, read_results, write_result
from training.settings import Settings, read_toml
from training.train import run as train


def main(arguments: list[str] | None = None) -> int:
    options = read_arguments(arguments)
    config = read_toml(options.config)
    try:
        experiments = read_experiments(config, options.config.parent)
    except ValueError as error:
        print(f"{options.config}: {error}", file=sys.stderr)
        return 2
    if unknown := set(options.only or []) - set(experiments):
        print(f"not in {options.config}: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    try:
        run_missing(experiments, config, options)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="training.crossval", description=__doc__.split("\n")[0])
    parser.add_argument("data_dirs", type=Path, nargs="+", metavar="DATA_DIR")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--data", type=Path, default=Path("runs/data"), help="prepared folder")
    parser.add_argument("--out", type=Path, default=Path("runs/crossval"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--report", type=Path, default=PAGE)
    parser.add_argument("--imagenet", type=Path, help="weights file; without it Keras downloads")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw patches ahead")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="experiments to run")
    parser.add_argument(
        "--train-only", nargs="+", type=int, metavar="FOLD", help="train these folds, score nothing"
    )
    return parser.parse_args(arguments)


def run_missing(
    experiments: dict[str, Experiment], config: dict[str, Any], options: argparse.Namespace
) -> None:
    """Run what has no result for its settings, and write the page after each. Raises ModelError."""
    for name in options.only or experiments:
        experiment, done = experiments[name], read_results(options.results).get(name)
        if done is None or done.hash != experiment.hash:
            print(f"== {name}", flush=True)
            if options.train_only:
                for number in set(options.train_only) & set(experiment.folds.run):
                    train_fold(experiment, number, options)
                continue
            write_result(name, run_experiment(experiment, options), options.results)
        write_page(config, options.results, options.report)


def run_experiment(experiment: Experiment, options: argparse.Namespace) -> Result:
    """Train and score every fold; return the result that is kept."""
    cases: dict[str, dict] = {}
    minutes = 0.0
    for number in experiment.folds.run:
        runs, spent = train_fold(experiment, number, options)
        minutes += spent
        cases |= score_fold(experiment, number, runs, options)
    patches = len(experiment.folds.run) * sum(
        stage.epochs * stage.steps_per_epoch * stage.batch
        for stages in experiment.trainings
        for stage in stages
    )
    slices_per_s = patches / max(minutes * 60, 1)
    return Result(experiment.hash, round(minutes, 1), round(slices_per_s, 1), cases)


def prepared_folder(preprocessing: Preprocessing, options: argparse.Namespace) -> Path:
    """Return the prepared data for these parameters, made if it is not the default one."""
    # Neighbours and the mirrored slice are added later, and do not change prepared data.
    wanted = Settings().preprocessing(preprocessing)
    if wanted == load_preprocessing(options.data):
        return options.data
    folder = options.out / f"data-{digest(wanted)}"
    if not (folder / "split.json").exists():
        arguments = [*map(str, options.data_dirs), "--out", str(folder)]
        arguments += ["--denoise"] * wanted.denoise
        arguments += ["--bias-correction"] * wanted.bias_correction
        prepare.main(arguments)
    if load_preprocessing(folder) != wanted:
        raise SystemExit("training.prepare cannot prepare with these parameters")
    return folder


def train_fold(
    experiment: Experiment, number: int, options: argparse.Namespace
) -> tuple[list[Path], float]:
    """Train the networks of one fold; return a folder for each, and the minutes taken by all."""
    trained = [
        train_network(stages, experiment, number, options) for stages in experiment.trainings
    ]
    return [run for run, _ in trained], sum(minutes for _, minutes in trained)


def split_of(folds: Folds, number: int, data: Path) -> dict[str, list[str]]:
    """Return the cases of a fold, held out and trained on: of the split file, or drawn anew."""
    split = load_split(data)
    if folds.parts:
        return file_fold(split, load_index(data), folds, number)
    return fold_split(split, folds, number)


def train_network(
    stages: tuple[Settings, ...], experiment: Experiment, number: int, options: argparse.Namespace
) -> tuple[Path, float]:
    """Train one network on one fold in all stages; return the last one's folder, and the minutes."""
    first, *then = stages
    data = prepared_folder(experiment.preprocessing, options)
    split = split_of(experiment.folds, number, data)
    run = options.out / f"{digest(experiment.folds)}-{digest(first)}" / data.name
    run = run / f"fold{number}"
    start = Path(experiment.start) if experiment.start else None
    minutes = train_stage(first, split, data, run, options.imagenet, start, options.workers)
    for settings in then:
        artefact = run / "artefact"
        # Only once: another version may write other weights, with which the next stage cannot go on.
        if not (artefact / "card.json").exists():
            export(make_card([run], load_preprocessing(data)), [run], artefact)
        run = run / f"then-{digest(settings)}"
        minutes += train_stage(
            settings, split, data, run, start_from=artefact, workers=options.workers
        )
    return run, minutes


def train_stage(
    settings: Settings,
    split: dict,
    data: Path,
    run: Path,
    imagenet: Path | None = None,
    start_from: Path | None = None,
    workers: int = 0,
) -> float:
    """Train one stage unless that is done; return the minutes that it took in all."""
    clock = run / "minutes.txt"
    before = float(clock.read_text()) if clock.exists() else 0.0
    if (run / "final.weights.h5").exists():
        return before
    started = time.monotonic()
    try:
        train(settings, split, data, run, imagenet, start_from=start_from, workers=workers)
    finally:
        minutes = before + (time.monotonic() - started) / 60
        # A run that fails before it begins has no folder.
        if run.exists():
            clock.write_text(f"{minutes:.2f}")
    keras.backend.clear_session()
    return minutes


def score_fold(
    experiment: Experiment, number: int, runs: list[Path], options: argparse.Namespace
) -> dict[str, dict]:
    """Return the scores of the fold's own patients by case; the networks of `runs` are averaged."""
    data = prepared_folder(experiment.preprocessing, options)
    names = split_of(experiment.folds, number, data)["validation"]
    artefact = runs[0] / f"artefact-{digest(experiment)}"
    prepared = load_preprocessing(data)
    card = make_card(runs, prepared, experiment.inference, experiment.postprocessing)
    export(card, runs, artefact)
    segmenter = Segmenter.load(artefact)
    folders = find_labelled_cases(options.data_dirs)
    cases = {f.name: score_folder(segmenter, f) for f in folders if f.name in names}
    for short in SHOWN:
        dice = np.mean([scores["regions"][short]["dice"] for scores in cases.values()])
        print(f"{short} {dice:.3f}", flush=True)
    return cases


if __name__ == "__main__":
    # So that the minutes of a run that is told to end are kept.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
