"""Artefacts of one network and of two, on untrained networks."""

import json
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import openvino as ov
import pytest

from model.card import OPENVINO, OPENVINO_BIN, WEIGHTS, Inference, file_of, read_card, write_card
from model.inference.engines import load_engine
from model.networks import mobile_unet
from model.preprocess import Preprocessing
from training import export
from training.networks.compress_weights import pack
from training.networks.network_files import FLOAT32_CONVOLUTIONS, first_convolutions
from training.networks.pretrained import load_model_weights
from training.networks.rounding import round_weights
from training.reports.card_tables import size_table
from training.reports.model_card import averaged_text
from training.scoring.engine_difference import ENGINE_TOLERANCE, engines_differ_by, predicted
from training.settings import Settings
from training.train import provenance

# Small ones, so that little is compiled.
SHAPES = Inference(shapes=((32, 64), (64, 64)), gpu_shapes=((64, 64),))
SPLIT = {"train": ["one"], "validation": [], "test": ["two"]}


def finished(folder: Path, split: dict = SPLIT, **settings) -> Path:
    """Write what a run leaves, but for its weights."""
    folder.mkdir()
    contents = {"settings": asdict(Settings(**settings)), "split": split, "start": {}}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def with_weights(run: Path, seed: int) -> Path:
    """Add the weights of a network that decides, which one without training does not."""
    keras.utils.set_random_seed(seed)
    network = mobile_unet(12)
    logits = network.get_layer("logits")
    logits.set_weights([10 * values for values in logits.get_weights()])
    network.save_weights(run / "final.weights.h5")
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Path]:
    root = tmp_path_factory.mktemp("runs")
    return [with_weights(finished(root / str(seed), seed=seed), seed) for seed in range(2)]


@pytest.fixture(scope="module")
def both(runs, tmp_path_factory) -> Path:
    """The artefact of both runs."""
    out = tmp_path_factory.mktemp("both")
    export.export(export.make_card(runs, Preprocessing(), SHAPES), runs, out)
    return out


@pytest.fixture(scope="module")
def rounded(runs) -> list[keras.Model]:
    """The networks of both runs, each alone, as an export rounds them."""
    networks = [mobile_unet(12) for _ in runs]
    for network, run in zip(networks, runs, strict=True):
        network.load_weights(run / "final.weights.h5")
        round_weights(network)
    return networks


@pytest.mark.slow
def test_every_engine_runs_each_network(both, rounded):
    batch = np.random.default_rng(0).normal(size=(2, 64, 64, 12)).astype(np.float32)
    one, two = (np.asarray(network(batch, training=False)) for network in rounded)
    assert np.abs(one - two).mean() > 0.05
    card = read_card(both)
    exact, quick = (load_engine(both, card, name, "cpu") for name in ("tensorflow", "openvino"))
    for number, expected in enumerate((one, two)):
        np.testing.assert_allclose(predicted(exact, batch, number), expected, atol=1e-4)
        difference = np.abs(predicted(quick, batch, number) - expected)
        assert difference.mean() < ENGINE_TOLERANCE


@pytest.mark.slow
def test_another_network_in_one_of_the_engines_is_noticed(both, tmp_path):
    assert engines_differ_by(both) < ENGINE_TOLERANCE
    mixed = shutil.copytree(both, tmp_path / "mixed")
    for name in (OPENVINO, OPENVINO_BIN):
        shutil.copy(mixed / name, mixed / file_of(name, 1))
    write_card(mixed, read_card(mixed))
    assert engines_differ_by(mixed) > ENGINE_TOLERANCE


@pytest.mark.slow
def test_weights_are_kept_small_and_whole(both, rounded, tmp_path):
    for number, alone in enumerate(rounded):
        kept, again = both / file_of(WEIGHTS, number), tmp_path / "again.weights.h5"
        network = mobile_unet(12)
        network.load_weights(kept)
        for a, b in zip(network.get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        network.save_weights(again)
        assert kept.stat().st_size < again.stat().st_size / 2
        pack(again)
        # The same weights, the same file, and nothing beside it.
        assert again.read_bytes() == kept.read_bytes()
        assert list(tmp_path.iterdir()) == [again]
    assert sum(file.stat().st_size for file in both.iterdir()) < 25e6


@pytest.mark.slow
def test_the_first_convolutions_of_each_network_stay_in_float32(both):
    for number in range(2):
        path = both / file_of(OPENVINO, number)
        marked = convolutions_in_float32(path)
        assert len(marked) == FLOAT32_CONVOLUTIONS
        first = first_convolutions(ov.Core().read_model(path), FLOAT32_CONVOLUTIONS)
        assert marked <= first


def convolutions_in_float32(path: Path) -> set[str]:
    """Return the names of the convolutions of an OpenVINO XML that are never computed in 16 bits."""
    layers = ElementTree.parse(path).getroot().find("layers")
    return {
        layer.get("name")
        for layer in layers
        if layer.get("type") in ("Convolution", "GroupConvolution")
        and layer.find("rt_info/attribute[@name='precise']") is not None
    }


@pytest.mark.slow
def test_a_training_goes_on_from_the_first_of_several_networks(both, rounded):
    network = mobile_unet(12)
    load_model_weights(network, both)
    for a, b in zip(network.get_weights(), rounded[0].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    card, told = read_card(both), provenance(both)
    assert told["weights"] == card.weights[0] != card.checksum
    assert told["training"].items() <= card.training.items() and "others" not in told["training"]


def test_the_card_tells_of_every_network(tmp_path):
    first, second = (finished(tmp_path / name, seed=n) for n, name in enumerate("ab"))
    one, two = (export.make_card(some, Preprocessing()) for some in ([first], [first, second]))
    assert (one.networks, two.networks) == (1, 2)
    assert set(one.training) == {"data", "split", "settings", "start"}
    assert one.training.items() <= two.training.items() and one.training["split"] == SPLIT
    (other,) = two.training["others"]
    assert (other["settings"]["seed"], other["start"]) == (1, {})


def test_the_model_card_tells_how_many_networks_are_averaged(tmp_path):
    one = export.make_card([finished(tmp_path / "run")], Preprocessing())
    two = replace(one, networks=2)
    assert averaged_text(one) == "" and "two networks,\n" in averaged_text(two)
    before, after = (size_table(card).splitlines() for card in (one, two))
    assert after[:-1] == before and after[-1].startswith("| MobileUNet, two networks |")
    count = 2 * mobile_unet(12).count_params()
    assert f"| {count:,} | {count * 4 / 1e6:.1f} MB |" in after[-1]


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


@pytest.mark.slow
def test_a_trained_model_is_averaged_as_its_run_is(runs, both, tmp_path):
    one, two = runs
    model, mixed, again = (tmp_path / name for name in ("model", "mixed", "again"))
    for given, out in (([two], model), ([one, model], mixed), ([both], again)):
        export.export(export.make_card(given, Preprocessing(), SHAPES), given, out)
    for folder in (mixed, again):
        assert read_card(folder).weights == read_card(both).weights
        assert read_card(folder).training == read_card(both).training
    assert export.make_card([one, both], Preprocessing()).networks == 3


def test_settings_that_a_run_did_not_know_count_as_their_defaults(tmp_path):
    old, new = (finished(tmp_path / name, seed=n) for n, name in enumerate("ab"))
    settings = json.loads((old / "settings.json").read_text())
    del settings["precision"]
    (old / "settings.json").write_text(json.dumps(settings))
    assert export.make_card([old, new], Preprocessing()).networks == 2
