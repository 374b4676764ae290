"""Experiments are run once and reported."""

import json
from pathlib import Path

import numpy as np
import pytest

from model.card import read_card
from training import crossval
from training.data.folds import fold_split
from training.experiments import Folds
from training.scoring.results import read_results
from training.scoring.scores import score_case

TWO = """
about = "Nothing is trained."
[base.folds]
run = [0, 1]
[experiment.base]
question = "Does it run?"
decision = "It does."
[experiment.other]
question = "And another?"
change.train.seed = 1
"""


@pytest.fixture
def untrained(monkeypatch, tmp_path):
    """Runs the command on TWO without training; returns which folds of which seeds were scored."""
    scored: list[tuple[int, int]] = []

    def train_fold(experiment, number, options):
        return [Path("run")], 1.5

    def score_fold(experiment, number, runs, options):
        scored.append((experiment.train.seed, number))
        truth = np.full((4, 4, 4), 2, np.uint8)
        scores = score_case(truth, truth, np.ones(3))
        return {f"case{number}": scores | {"seconds": {"read": 0.1, "segment": 0.2}}}

    monkeypatch.setattr(crossval, "train_fold", train_fold)
    monkeypatch.setattr(crossval, "score_fold", score_fold)
    config = tmp_path / "experiments.toml"

    def run(text: str = TWO, *more: str) -> list[tuple[int, int]]:
        scored.clear()
        config.write_text(text)
        places = ["--results", str(tmp_path / "results"), "--report", str(tmp_path / "page.md")]
        assert crossval.main([str(tmp_path), "--config", str(config), *places, *more]) == 0
        return list(scored)

    return run


def test_what_has_a_result_for_its_settings_is_not_run_again(untrained, tmp_path):
    assert untrained() == [(0, 0), (0, 1), (1, 0), (1, 1)]
    results = read_results(tmp_path / "results")
    assert results["base"].minutes == 3 and list(results["base"].cases) == ["case0", "case1"]
    page = (tmp_path / "page.md").read_text()
    assert "| base |  | 1.000 |" in page and "It does." in page and "| other | base |" in page
    assert untrained() == []
    # Sizes of batches change times alone.
    assert untrained(TWO + "change.inference.batch = 8\n") == []
    assert untrained(TWO.replace("seed = 1", "seed = 2")) == [(2, 0), (2, 1)]
    kept = read_results(tmp_path / "results")
    assert kept["base"] == results["base"] and kept["other"].hash != results["other"].hash


def test_only_named_experiments_are_run(untrained, tmp_path):
    assert untrained(TWO, "--only", "other") == [(1, 0), (1, 1)]
    assert list(read_results(tmp_path / "results")) == ["other"]
    assert untrained(TWO, "--train-only", "1") == []
    assert list(read_results(tmp_path / "results")) == ["other"]


def test_an_unknown_experiment_is_told(capsys):
    assert crossval.main(["data", "--only", "absent"]) == 2
    assert "absent" in capsys.readouterr().err


TRAINED = """
about = "Two steps of the small network."
[base.train]
network = "simple_unet"
epochs = 1
steps_per_epoch = 2
batch = 2
warmup_steps = 1
batch_norm_batches = 2
sampling = {patch = [64, 64]}
[base.folds]
count = 2
run = [1]
[base.inference]
shapes = [[96, 128], [128, 160]]
[base.postprocessing]
# Little is marked: noise takes long to score.
class_weights = [9, 1, 1, 1]
[experiment.base]
question = "Does it run?"
decision = "It does."
[experiment.mirrored]
question = "Are weights shared between ways of prediction?"
change.inference.flip = true
[experiment.longer]
question = "Does a second stage start from the first?"
recipe = ["small.toml", "small.toml"]
[experiment.reseeded]
question = "And every stage from another seed?"
recipe = ["reseeded.toml", "reseeded.toml"]
[experiment.averaged]
question = "Does a mean take the networks that are there?"
mean_of = ["longer", "reseeded"]
"""
STAGE = """
network = "simple_unet"
epochs = 1
steps_per_epoch = 2
batch = 2
warmup_steps = 1
batch_norm_batches = 3
sampling = {patch = [64, 64]}
"""


@pytest.mark.slow
def test_an_experiment_is_run_once_and_reported(tiny, prepared, labelled, tmp_path):
    config = tmp_path / "experiments.toml"
    config.write_text(TRAINED)
    (tmp_path / "small.toml").write_text(STAGE)
    (tmp_path / "reseeded.toml").write_text(f"seed = 1\n{STAGE}")
    arguments = [str(labelled), "--config", str(config), "--data", str(prepared)]
    for option in ("out", "results", "report"):
        arguments += [f"--{option}", str(tmp_path / option)]
    # Trained beforehand, as beside another fold, and then only scored.
    assert crossval.main([*arguments, "--only", "longer", "--train-only", "1"]) == 0
    assert read_results(tmp_path / "results") == {}
    trained = sorted((tmp_path / "out").rglob("final.weights.h5"))
    assert len(trained) == 2
    times = [path.stat().st_mtime_ns for path in trained]
    assert crossval.main(arguments) == 0
    assert [path.stat().st_mtime_ns for path in trained] == times
    results = read_results(tmp_path / "results")
    held_out = fold_split(json.loads((prepared / "split.json").read_text()), Folds(2, (1,)), 1)
    assert sorted(results["base"].cases) == sorted(held_out["validation"])
    # One training serves two experiments, the next two have two stages each, and the mean has none.
    assert len(list((tmp_path / "out").rglob("final.weights.h5"))) == 5
    for second in (tmp_path / "out").rglob("then-*/start.json"):
        first = second.parent.parent / "artefact"
        assert json.loads(second.read_text())["weights"] == read_card(first).checksum
    (both,) = [
        card
        for path in (tmp_path / "out").rglob("then-*/artefact-*/card.json")
        if (card := read_card(path.parent)).networks == 2
    ]
    (other,) = both.training["others"]
    for training, seed in ((both.training, 0), (other, 1)):
        before = training["start"]["training"]
        assert (training["settings"]["seed"], before["settings"]["seed"]) == (seed, seed)
    longer, averaged = results["longer"], results["averaged"]
    assert averaged.minutes >= longer.minutes
    assert averaged.cases.keys() == longer.cases.keys()
    report = (tmp_path / "report").read_text()
    assert "| base |" in report and "It does." in report and "| mirrored | base |" in report
    before = (tmp_path / "results" / "scores.csv").stat().st_mtime_ns
    (tmp_path / "report").unlink()
    assert crossval.main(arguments) == 0
    assert (tmp_path / "results" / "scores.csv").stat().st_mtime_ns == before
    assert (tmp_path / "report").read_text() == report
    assert crossval.main([*arguments, "--only", "absent"]) == 2
