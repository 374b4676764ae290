"""Folds, configurations and the report of experiments; one experiment run to its end."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from model.card import read_card
from training import crossval
from training.crossval import Experiment, Folds, digest, fold_split, read_experiments
from training.reports.card_tables import comparison_table
from training.reports.experiments import SHOWN, compared
from training.settings import Settings, merged, parse, read_toml

SPLIT = {
    "train": ["BraTS-GLI-7-000", "BraTS-GLI-7-001", *(f"c{i}" for i in range(8)), "phantom_1000"],
    "validation": ["c8", "c9"],
    "test": ["never"],
    "partial": ["half"],
}


def test_folds_hold_out_every_patient_once_and_never_the_test_part():
    folds = Folds(count=3)
    parts = [fold_split(SPLIT, folds, number) for number in range(3)]
    held_out = sum((part["validation"] for part in parts), [])
    assert sorted(held_out) == sorted(set(SPLIT["train"] + SPLIT["validation"]) - {"phantom_1000"})
    for part in parts:
        assert not set(part["train"]) & set(part["validation"])
        assert "phantom_1000" in part["train"] and part["test"] == []
        # Two visits of one patient.
        assert ("BraTS-GLI-7-000" in part["train"]) == ("BraTS-GLI-7-001" in part["train"])
    assert "never" not in json.dumps(parts)
    assert parts[0] != fold_split(SPLIT, Folds(count=3, seed=1), 0)


def test_cases_that_lack_sequences_are_only_trained_on_and_only_if_asked_for():
    for number in range(4):
        plain, more = (fold_split(SPLIT, Folds(partial=p), number) for p in (False, True))
        assert set(more["train"]) - set(plain["train"]) == {"half"}
        assert more["validation"] == plain["validation"]


def test_fewer_patients_are_a_part_of_more():
    few = fold_split(SPLIT, Folds(patients=3), 0)
    assert set(few["train"]) < set(fold_split(SPLIT, Folds(), 0)["train"])
    assert few["validation"] == fold_split(SPLIT, Folds(), 0)["validation"]


def test_the_shipped_experiments_can_be_read_and_differ():
    config = read_toml(crossval.HERE / "experiments.toml")
    experiments = read_experiments(config, crossval.HERE)
    assert len({digest(experiment) for experiment in experiments.values()}) == len(experiments)
    for name, table in config["experiment"].items():
        assert (
            table["question"].endswith(("?", ".")) and table.get("against", "base") in experiments
        )
        assert name == name.lower()


def test_results_outlive_new_settings_but_not_changed_ones():
    config = read_toml(crossval.HERE / "experiments.toml")
    experiments = read_experiments(config, crossval.HERE)
    kept = json.loads((crossval.HERE / "results/base.json").read_text())
    # Recorded before these settings existed, and with other sizes of slices.
    assert "mirror" not in kept["settings"]["train"]
    assert kept["settings"]["inference"]["shapes"] != experiments["base"].inference.shapes
    assert crossval.is_result_of(kept, experiments["base"])
    assert not crossval.is_result_of(kept, experiments["mirror"])
    assert not crossval.is_result_of({}, experiments["base"])


def test_a_result_of_one_network_is_not_that_of_two():
    one, two = Experiment(), Experiment(others=((Settings(seed=1),),))
    settings = json.loads(json.dumps(asdict(one)))
    del settings["others"]
    assert crossval.is_result_of({"settings": settings}, one)
    assert not crossval.is_result_of({"settings": settings}, two)


def test_a_mean_is_of_the_networks_that_others_train(tmp_path):
    (tmp_path / "part.toml").write_text("epochs = 50")
    plain = {"recipe": ["part.toml", "part.toml"]}
    (tmp_path / "deep.toml").write_text("deep_supervision = 0.5")
    other = {"recipe": ["deep.toml", "deep.toml"]}
    averaged = {"mean_of": ["plain", "other"], "change": {"inference": {"flip": True}}}
    config = {"experiment": {"plain": plain, "other": other, "averaged": averaged}}
    read = read_experiments(config, tmp_path)
    assert [part.deep_supervision for part in read["other"].trainings[0]] == [0.5, 0.5]
    assert read["averaged"].trainings == read["plain"].trainings + read["other"].trainings
    assert read["averaged"].inference.flip and not read["plain"].inference.flip
    config["experiment"] = {"averaged": averaged}
    with pytest.raises(ValueError, match="experiment averaged: no experiment 'plain' before it"):
        read_experiments(config, tmp_path)


def test_a_recipe_can_be_shortened(tmp_path):
    (tmp_path / "part.toml").write_text("epochs = 50")
    (tmp_path / "rest.toml").write_text("")
    table = {"recipe": ["part.toml", "rest.toml"], "share": 0.3}
    config = {"experiment": {"whole": table | {"share": 1}, "short": table}}
    read = read_experiments(config, tmp_path)
    assert (read["whole"].train.epochs, read["short"].train.epochs) == (50, 15)
    assert read["short"].then[0].epochs == round(Settings().epochs * 0.3)


def test_a_misspelt_setting_is_refused():
    config = {"experiment": {"odd": {"question": "?", "change": {"train": {"epoch": 3}}}}}
    with pytest.raises(ValueError, match=r"experiment odd: train.epoch"):
        read_experiments(config, crossval.HERE)
    with pytest.raises(ValueError, match="planes"):
        parse(Settings, {"sampling": {"planes": ["oblique"]}})


def test_tables_are_put_over_each_other():
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"d": 4}) == {
        "a": {"b": 1, "c": 3},
        "d": 4,
    }


def result(dice: dict[str, float]) -> dict:
    regions = ("WT", "TC", "ET", "ED", "NCR")
    return {
        "cases": {
            name: {"regions": {short: {"dice": value} for short in regions}}
            for name, value in dice.items()
        }
    }


def test_differences_are_over_the_same_patients():
    one, other = result({"a": 0.9, "b": 0.7, "c": 0.1}), result({"a": 0.8, "b": 0.8})
    change, error = compared(one, other)
    np.testing.assert_allclose(change, 0, atol=1e-12)
    # Differences +0.1 and -0.1: deviation 0.1414, over the root of 2.
    np.testing.assert_allclose(error, 0.1)


def test_the_card_tells_by_how_much_one_network_is_better():
    names = ("simple-unet", "base")
    results = [json.loads((crossval.HERE / f"results/{name}.json").read_text()) for name in names]
    lines = [line.split(" | ") for line in comparison_table(results).splitlines() if "|" in line]
    _, _, simple, mobile, difference, _ = lines
    changes, errors = compared(results[1], results[0])
    edema = SHOWN.index("ED")
    assert difference[2] == f"{changes[edema]:+.3f} ± {errors[edema]:.3f}"
    assert float(mobile[2]) - float(simple[2]) == pytest.approx(changes[edema], abs=1e-3)


@pytest.mark.slow
def test_an_experiment_is_run_once_and_reported(prepared, labelled, tmp_path):
    config = tmp_path / "experiments.toml"
    config.write_text(
        """
        about = "Two steps of the small network."
        [base.train]
        network = "simple_unet"
        epochs = 1
        steps_per_epoch = 2
        batch = 2
        warmup_steps = 1
        batch_norm_batches = 2
        [base.folds]
        count = 2
        run = [1]
        [base.inference]
        shapes = [[96, 128], [128, 160]]
        [experiment.base]
        question = "Does it run?"
        decision = "It does."
        [experiment.mirrored]
        question = "Are weights shared between ways of prediction?"
        change.inference.flip = true
        [experiment.longer]
        question = "Does a second part go on from the first?"
        recipe = ["small.toml", "small.toml"]
        [experiment.reseeded]
        question = "And every part from another seed?"
        recipe = ["reseeded.toml", "reseeded.toml"]
        [experiment.averaged]
        question = "Does a mean take the networks that are there?"
        mean_of = ["longer", "reseeded"]
        """
    )
    part = """
        network = "simple_unet"
        epochs = 1
        steps_per_epoch = 2
        batch = 2
        warmup_steps = 1
        batch_norm_batches = 3
        """
    (tmp_path / "small.toml").write_text(part)
    (tmp_path / "reseeded.toml").write_text(f"{part}seed = 1")
    arguments = [str(labelled), "--config", str(config), "--data", str(prepared)]
    for option in ("out", "results", "report"):
        arguments += [f"--{option}", str(tmp_path / option)]
    # Trained beforehand, as beside another fold, and then only scored.
    assert crossval.main([*arguments, "--only", "longer", "--train-only", "1"]) == 0
    assert not (tmp_path / "results" / "longer.json").exists()
    trained = sorted((tmp_path / "out").rglob("final.weights.h5"))
    assert len(trained) == 2
    times = [path.stat().st_mtime_ns for path in trained]
    assert crossval.main(arguments) == 0
    assert [path.stat().st_mtime_ns for path in trained] == times
    base = json.loads((tmp_path / "results" / "base.json").read_text())
    held_out = fold_split(json.loads((prepared / "split.json").read_text()), Folds(2, (1,)), 1)
    assert sorted(base["cases"]) == sorted(held_out["validation"])
    # One training serves two experiments, the next two have two parts each, and the mean has none.
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
    longer, averaged = (
        json.loads((tmp_path / "results" / f"{name}.json").read_text())
        for name in ("longer", "averaged")
    )
    assert averaged["minutes"] >= longer["minutes"]
    assert len(averaged["settings"]["others"]) == 1
    assert averaged["cases"].keys() == longer["cases"].keys()
    report = (tmp_path / "report").read_text()
    assert "| base |" in report and "It does." in report and "| mirrored | base |" in report
    before = (tmp_path / "results" / "base.json").stat().st_mtime_ns
    (tmp_path / "report").unlink()
    assert crossval.main(arguments) == 0
    assert (tmp_path / "results" / "base.json").stat().st_mtime_ns == before
    assert (tmp_path / "report").read_text() == report
    assert crossval.main([*arguments, "--only", "absent"]) == 2
