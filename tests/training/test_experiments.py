"""Experiments as their file describes them, and the hash by which their results are found."""

from dataclasses import dataclass, field, make_dataclass, replace

import pytest

from model.card import Inference
from training.experiments import CONFIG, Experiment, digest, not_default, read_experiments
from training.settings import Sampling, Settings, parse, read_toml


def test_the_shipped_experiments_can_be_read_and_differ():
    config = read_toml(CONFIG)
    experiments = read_experiments(config, CONFIG.parent)
    assert len({experiment.hash for experiment in experiments.values()}) == len(experiments)
    for name, table in config["experiment"].items():
        assert (
            table["question"].endswith(("?", ".")) and table.get("against", "base") in experiments
        )
        assert name == name.lower()


def test_a_mean_is_of_the_networks_that_others_train(tmp_path):
    (tmp_path / "stage.toml").write_text("epochs = 50")
    plain = {"recipe": ["stage.toml", "stage.toml"]}
    (tmp_path / "deep.toml").write_text("deep_supervision = 0.5")
    other = {"recipe": ["deep.toml", "deep.toml"]}
    averaged = {"mean_of": ["plain", "other"], "change": {"inference": {"flip": True}}}
    config = {"experiment": {"plain": plain, "other": other, "averaged": averaged}}
    read = read_experiments(config, tmp_path)
    assert [stage.deep_supervision for stage in read["other"].trainings[0]] == [0.5, 0.5]
    assert read["averaged"].trainings == read["plain"].trainings + read["other"].trainings
    assert read["averaged"].inference.flip and not read["plain"].inference.flip
    config["experiment"] = {"averaged": averaged}
    with pytest.raises(ValueError, match="experiment averaged: no experiment 'plain' before it"):
        read_experiments(config, tmp_path)


def test_a_recipe_can_be_shortened(tmp_path):
    (tmp_path / "stage.toml").write_text("epochs = 50")
    (tmp_path / "rest.toml").write_text("")
    table = {"recipe": ["stage.toml", "rest.toml"], "share": 0.3}
    config = {"experiment": {"whole": table | {"share": 1}, "short": table}}
    read = read_experiments(config, tmp_path)
    assert (read["whole"].train.epochs, read["short"].train.epochs) == (50, 15)
    assert read["short"].then[0].epochs == round(Settings().epochs * 0.3)


def test_a_misspelt_setting_is_refused():
    config = {"experiment": {"odd": {"question": "?", "change": {"train": {"epoch": 3}}}}}
    with pytest.raises(ValueError, match=r"experiment odd: train.epoch"):
        read_experiments(config, CONFIG.parent)
    with pytest.raises(ValueError, match="planes"):
        parse(Settings, {"sampling": {"planes": ["oblique"]}})


def test_only_what_differs_from_the_defaults_is_hashed():
    assert not_default(Experiment()) == {}
    changed = Experiment(
        train=Settings(seed=1, sampling=Sampling(planes=("axial", "coronal"))),
        others=((Settings(), Settings(epochs=3)),),
    )
    assert not_default(changed) == {
        "train": {"seed": 1, "sampling": {"planes": ["axial", "coronal"]}},
        "others": [[{}, {"epochs": 3}]],
    }


def test_a_new_field_with_a_default_changes_no_hash():
    @dataclass(frozen=True)
    class Inner:
        a: int = 1
        b: float = 0.5

    @dataclass(frozen=True)
    class Outer:
        inner: Inner = Inner()
        stages: tuple[Inner, ...] = ()

    newer_inner = make_dataclass(
        "Inner", [("c", str, field(default="new"))], bases=(Inner,), frozen=True
    )

    @dataclass(frozen=True)
    class Newer:
        inner: Inner = newer_inner()
        stages: tuple[Inner, ...] = ()
        more: bool = False

    for kind, inner in ((Outer, Inner), (Newer, newer_inner)):
        assert digest(kind()) == digest(Outer())
        assert digest(kind(inner(a=2), (inner(), inner(b=1)))) == digest(
            Outer(Inner(a=2), (Inner(), Inner(b=1)))
        )
    assert digest(Newer(more=True)) != digest(Outer())
    assert digest(Newer(newer_inner(c="other"))) != digest(Outer())


def test_what_changes_times_alone_does_not_change_the_hash():
    plain = Experiment()
    quick = replace(plain, inference=Inference(batch=8, shapes=((64, 64),)))
    assert quick.hash == plain.hash
    assert replace(plain, inference=Inference(interval=2)).hash != plain.hash
    assert replace(plain, others=((Settings(seed=1),),)).hash != plain.hash
