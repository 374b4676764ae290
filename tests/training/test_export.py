"""Cards of runs and models, and which of them can be averaged."""

import json
import shutil
from dataclasses import asdict, replace

import pytest

from model.card import read_card, write_card
from model.errors import ModelError
from model.preprocess import Preprocessing
from tests.training.runs import SPLIT, finished
from training import export


def test_the_card_tells_of_every_network(tmp_path):
    first, second = (finished(tmp_path / name, seed=n) for n, name in enumerate("ab"))
    one, two = (export.make_card(some, Preprocessing()) for some in ([first], [first, second]))
    assert (one.networks, two.networks) == (1, 2)
    assert set(one.training) == {"data", "split", "settings", "start"}
    assert one.training.items() <= two.training.items() and one.training["split"] == SPLIT
    (other,) = two.training["others"]
    assert (other["settings"]["seed"], other["start"]) == (1, {})


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"neighbours": 2}, "other settings (neighbours 2)"),
        ({"split": SPLIT | {"train": ["three"]}}, "other cases"),
    ],
)
def test_only_networks_of_one_kind_and_the_same_cases_are_averaged(
    tmp_path, capsys, other, message
):
    runs = [finished(tmp_path / "a", seed=0), finished(tmp_path / "b", seed=1, **other)]
    index = {"preprocessing": asdict(Preprocessing())}
    (tmp_path / "index.json").write_text(json.dumps(index))
    places = ["--data", str(tmp_path), "--out", str(tmp_path / "out")]
    assert export.main(["--run", *map(str, runs), *places]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_that_lacks_a_newer_setting_is_averaged(tmp_path):
    old, new = (finished(tmp_path / name, seed=n) for n, name in enumerate("ab"))
    settings = json.loads((old / "settings.json").read_text())
    del settings["precision"]
    (old / "settings.json").write_text(json.dumps(settings))
    assert export.make_card([old, new], Preprocessing()).networks == 2


@pytest.mark.slow
def test_a_model_is_exported_again_without_prepared_data(tiny, artefact, tmp_path):
    out, absent = tmp_path / "out", str(tmp_path / "none")
    arguments = ["--run", str(artefact), "--data", absent, "--out", str(out), "--flip"]
    assert export.main(arguments) == 0
    before, after = read_card(artefact), read_card(out)
    assert after.weights == before.weights and after.training == before.training
    assert after.preprocessing == before.preprocessing and after.inference.flip


def test_models_of_other_preprocessing_are_not_averaged(artefact, tmp_path):
    other, card = shutil.copytree(artefact, tmp_path / "other"), read_card(artefact)
    write_card(other, replace(card, preprocessing=replace(card.preprocessing, denoise=True)))
    with pytest.raises(ModelError, match="other preprocessing"):
        export.preprocessing_of([artefact, other], tmp_path)
