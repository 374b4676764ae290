"""Decide between recipes by cross-validation over patients.

    python -m training.crossval DATA_DIR [DATA_DIR ...] [--only NAME ...] [--train-only FOLD ...]

Runs every experiment of `training/experiments.toml` that has no result yet: trains on each fold,
exports, and scores the serving path on the fold's own patients. An interrupted run goes on where it
stopped. Folds may be trained side by side, each in a process with `--train-only`, before a run
without it scores them: two processes of one thread are faster than one of two. One result file an
experiment is written to `training/results/`, and from them all `training/EXPERIMENTS.md`. The test
part of the prepared data is never read.
"""

import argparse
import hashlib
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from pydantic import ConfigDict

from model.card import Inference
from model.errors import ModelError
from model.inference.segmenter import Segmenter
from model.postprocess import Postprocessing
from model.preprocess import Preprocessing
from training import prepare
from training.data.dataset import load_preprocessing, load_split
from training.data.folds import Folds, fold_split
from training.evaluate import evaluate_folder
from training.export import export, make_card
from training.reports.experiments import write_report
from training.settings import Settings, merged, parse, read_toml
from training.train import run as train

HERE = Path(__file__).parent
# What changes times alone.
BATCHING = ("shapes", "gpu_shapes", "batch", "gpu_batch")


@dataclass(frozen=True)
class Experiment:
    """One recipe: everything that its scores depend on, but for the data.

    then : further parts of the training, each going on from the weights of the one before
    others : all parts of further networks, whose probabilities are averaged with the first's
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    folds: Folds = Folds()
    preprocessing: Preprocessing = Preprocessing()
    train: Settings = Settings()
    then: tuple[Settings, ...] = ()
    others: tuple[tuple[Settings, ...], ...] = ()
    inference: Inference = Inference()
    postprocessing: Postprocessing = Postprocessing()

    @property
    def trainings(self) -> tuple[tuple[Settings, ...], ...]:
        """All parts of each network's training."""
        return ((self.train, *self.then), *self.others)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.crossval", description=__doc__.split("\n")[0])
    parser.add_argument("data_dirs", type=Path, nargs="+", metavar="DATA_DIR")
    parser.add_argument("--config", type=Path, default=HERE / "experiments.toml")
    parser.add_argument("--data", type=Path, default=Path("runs/data"), help="prepared folder")
    parser.add_argument("--out", type=Path, default=Path("runs/crossval"))
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--report", type=Path, default=HERE / "EXPERIMENTS.md")
    parser.add_argument("--imagenet", type=Path, help="weights file; without it Keras downloads")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw patches ahead")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="experiments to run")
    parser.add_argument(
        "--train-only", nargs="+", type=int, metavar="FOLD", help="train these folds, score nothing"
    )
    options = parser.parse_args(arguments)
    config = read_toml(options.config)
    try:
        experiments = read_experiments(config, options.config.parent)
    except ValueError as error:
        print(f"{options.config}: {error}", file=sys.stderr)
        return 2
    if unknown := set(options.only or []) - set(experiments):
        print(f"not in {options.config}: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    options.results.mkdir(parents=True, exist_ok=True)
    try:
        run_missing(experiments, config, options)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def run_missing(
    experiments: dict[str, Experiment], config: dict[str, Any], options: argparse.Namespace
) -> None:
    """Run what has no result yet, and write the report after each. Raises ModelError."""
    for name in options.only or experiments:
        path = options.results / f"{name}.json"
        done = json.loads(path.read_text()) if path.exists() else {}
        if not is_result_of(done, experiments[name]):
            print(f"== {name}", flush=True)
            if options.train_only:
                for number in set(options.train_only) & set(experiments[name].folds.run):
                    train_fold(experiments[name], number, options)
                continue
            path.write_text(json.dumps(run_experiment(name, experiments[name], options), indent=1))
        write_report(config, options.results, options.report)


def read_experiments(config: dict[str, Any], folder: Path) -> dict[str, Experiment]:
    """Return the experiments by name: `[base]` with each one's changes.

    Where one has a `recipe`, its training is that of these files in `folder`, one after the other,
    in place of the base's; a `share` below 1 shortens each. One that is the `mean_of` some before it
    averages the networks that they train. Raises ValueError.
    """
    experiments: dict[str, Experiment] = {}
    for name, table in config["experiment"].items():
        base = config.get("base", {})
        if parts := [read_toml(folder / path) for path in table.get("recipe", ())]:
            share = table.get("share", 1)
            parts = [
                part | {"epochs": max(1, round(part.get("epochs", Settings.epochs) * share))}
                for part in parts
            ]
            base = base | {"train": parts[0], "then": parts[1:]}
        try:
            experiment = parse(Experiment, merged(base, table.get("change", {})))
            if averaged := table.get("mean_of"):
                (first, *then), *others = (experiments[other].trainings[0] for other in averaged)
                experiment = replace(
                    experiment, train=first, then=tuple(then), others=tuple(others)
                )
        except KeyError as error:
            raise ValueError(f"experiment {name}: no experiment {error} before it") from None
        except ValueError as error:
            raise ValueError(f"experiment {name}: {error}") from None
        experiments[name] = experiment
    return experiments


def is_result_of(result: dict, experiment: Experiment) -> bool:
    """Say whether a result that was kept, or {}, is that of `experiment`.

    Settings that came later count as their defaults, which are what was done before.
    """
    if not result:
        return False
    batching = {name: getattr(experiment.inference, name) for name in BATCHING}
    recorded = merged(result["settings"], {"inference": batching})
    # What it said of times has gone since.
    recorded["inference"].pop("warm_shapes", None)
    return parse(Experiment, recorded) == experiment


def digest(content: Any) -> str:
    """Return a short hash of a dataclass: the same settings, the same hash."""
    text = json.dumps(asdict(content), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def run_experiment(name: str, experiment: Experiment, options: argparse.Namespace) -> dict:
    """Train and score every fold; return the result that is kept."""
    cases: dict[str, dict] = {}
    minutes = 0.0
    for number in experiment.folds.run:
        runs, spent = train_fold(experiment, number, options)
        minutes += spent
        cases |= score_fold(experiment, number, runs, options)
    patches = len(experiment.folds.run) * sum(
        part.epochs * part.steps_per_epoch * part.batch
        for parts in experiment.trainings
        for part in parts
    )
    return {
        "name": name,
        "hash": digest(experiment),
        "settings": asdict(experiment),
        "minutes": round(minutes, 1),
        "slices_per_s": round(patches / max(minutes * 60, 1), 1),
        "cases": cases,
    }


def prepared_folder(preprocessing: Preprocessing, options: argparse.Namespace) -> Path:
    """Return the prepared data for these parameters, made if it is not the default one."""
    # Inputs are made of the arrays later, so how they are does not tell prepared data apart.
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
    trained = [train_network(parts, experiment, number, options) for parts in experiment.trainings]
    return [run for run, _ in trained], sum(minutes for _, minutes in trained)


def train_network(
    parts: tuple[Settings, ...], experiment: Experiment, number: int, options: argparse.Namespace
) -> tuple[Path, float]:
    """Train one network on one fold in all parts; return the last one's folder, and the minutes."""
    first, *then = parts
    data = prepared_folder(experiment.preprocessing, options)
    split = fold_split(load_split(data), experiment.folds, number)
    run = options.out / f"{digest(experiment.folds)}-{digest(first)}" / data.name
    run = run / f"fold{number}"
    minutes = train_part(first, split, data, run, options.imagenet, workers=options.workers)
    for settings in then:
        artefact = run / "artefact"
        # Once: another version may write another file, and a run goes on from its own only.
        if not (artefact / "card.json").exists():
            export(make_card([run], load_preprocessing(data)), [run], artefact)
        run = run / f"then-{digest(settings)}"
        minutes += train_part(
            settings, split, data, run, start_from=artefact, workers=options.workers
        )
    return run, minutes


def train_part(
    settings: Settings,
    split: dict,
    data: Path,
    run: Path,
    imagenet: Path | None = None,
    start_from: Path | None = None,
    workers: int = 0,
) -> float:
    """Train unless that is done; return the minutes that it took, over all resumes."""
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
    """Return, by case, the scores of the serving path with these runs' networks averaged."""
    data = prepared_folder(experiment.preprocessing, options)
    names = fold_split(load_split(data), experiment.folds, number)["validation"]
    artefact = runs[0] / f"artefact-{digest(experiment)}"
    prepared = load_preprocessing(data)
    card = make_card(runs, prepared, experiment.inference, experiment.postprocessing)
    export(card, runs, artefact)
    segmenter = Segmenter.load(artefact)
    folders = prepare.find_labelled_cases(options.data_dirs)
    cases = {f.name: evaluate_folder(segmenter, f) for f in folders if f.name in names}
    print({s: round(np.mean([c["regions"][s]["dice"] for c in cases.values()]), 3)
           for s in ("WT", "TC", "ET", "ED", "NCR")}, flush=True)  # fmt: skip
    return cases


if __name__ == "__main__":
    sys.exit(main())
