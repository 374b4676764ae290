"""Artefacts of one network and of two that are averaged, on untrained networks."""

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import openvino as ov
import pytest
import tensorflow as tf

from model.card import OPENVINO, WEIGHTS, Inference, read_card
from model.engines import load_engine
from model.errors import ModelError
from model.networks import averaged, members, mobile_unet, simple_unet
from model.preprocess import Preprocessing
from training import export
from training.card_tables import size_table
from training.model_card import averaged_text
from training.packing import pack
from training.pretrained import load_model_weights
from training.rounding import round_weights
from training.settings import Settings

# Small ones, so that little is compiled.
SHAPES = Inference(shapes=((32, 64), (64, 64)), warm_shapes=1)
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
def test_every_engine_gives_the_mean_of_both_networks(both, rounded):
    batch = np.random.default_rng(0).normal(size=(2, 64, 64, 12)).astype(np.float32)
    one, two = (np.asarray(network(batch, training=False)) for network in rounded)
    assert np.abs(one - two).mean() > 0.05
    results = {}
    for name in ("tensorflow", "openvino"):
        engine = load_engine(both, read_card(both), name, "cpu")
        engine.run([batch], lambda index, result, name=name: results.update({name: result.copy()}))
    np.testing.assert_allclose(results["tensorflow"], (one + two) / 2, atol=1e-4)
    difference = np.abs(results["openvino"] - (one + two) / 2)
    assert difference.mean() < export.ENGINE_TOLERANCE


@pytest.mark.slow
def test_weights_are_kept_small_and_whole(both, rounded, tmp_path):
    network = averaged("mobile_unet", 12, 2)
    network.load_weights(both / WEIGHTS)
    for member, alone in zip(members(network), rounded, strict=True):
        for a, b in zip(member.get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    again = tmp_path / "again.weights.h5"
    network.save_weights(again)
    assert (both / WEIGHTS).stat().st_size < again.stat().st_size / 2
    assert sum(file.stat().st_size for file in both.iterdir()) < 25e6
    pack(again)
    # The same weights, the same file, and nothing beside it.
    assert again.read_bytes() == (both / WEIGHTS).read_bytes()
    assert list(tmp_path.iterdir()) == [again]


@pytest.mark.slow
def test_the_first_convolutions_of_each_network_stay_in_float32(both):
    marked = convolutions_in_float32(both)
    assert len(marked) == 2 * export.FLOAT32_CONVOLUTIONS
    parts = export.one_by_one(ov.Core().read_model(both / OPENVINO))
    firsts = [export.first_convolutions(part, export.FLOAT32_CONVOLUTIONS) for part in parts]
    assert [len(marked & first) for first in firsts] == [export.FLOAT32_CONVOLUTIONS] * 2


def test_of_one_network_the_first_convolutions_are_the_whole_model_s():
    keras.utils.set_random_seed(0)
    signature = tf.TensorSpec((None, 64, 64, 12), tf.float32)
    network = simple_unet(12, width=4)
    function = tf.function(lambda slices: network(slices, training=False))
    whole = ov.convert_model(function.get_concrete_function(signature))
    (alone,) = export.one_by_one(whole)
    for count in (1, 10):
        expected = export.first_convolutions(whole, count)
        assert export.first_convolutions(alone, count) == expected


def convolutions_in_float32(folder: Path) -> set[str]:
    """Return the names of the convolutions of an artefact that are never computed in 16 bits."""
    layers = ElementTree.parse(folder / OPENVINO).getroot().find("layers")
    return {
        layer.get("name")
        for layer in layers
        if layer.get("type") in ("Convolution", "GroupConvolution")
        and layer.find("rt_info/attribute[@name='precise']") is not None
    }


@pytest.mark.slow
def test_no_training_goes_on_from_several_networks(both):
    with pytest.raises(ModelError, match="averages two networks"):
        load_model_weights(mobile_unet(12), both)


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
    assert averaged_text(one) == "" and "two networks" in averaged_text(two)
    before, after = (size_table(card).splitlines() for card in (one, two))
    assert after[:-1] == before and after[-1].startswith("| MobileUNet, two networks |")
    count = averaged("mobile_unet", 12, 2).count_params()
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
    model, again = tmp_path / "model", tmp_path / "again"
    for given, out in (([two], model), ([one, model], again)):
        export.export(export.make_card(given, Preprocessing(), SHAPES), given, out)
    assert (again / WEIGHTS).read_bytes() == (both / WEIGHTS).read_bytes()
    assert read_card(again).training == read_card(both).training
    with pytest.raises(ModelError, match="averages two networks already"):
        export.make_card([one, again], Preprocessing())


def test_settings_that_a_run_did_not_know_count_as_their_defaults(tmp_path):
    old, new = (finished(tmp_path / name, seed=n) for n, name in enumerate("ab"))
    settings = json.loads((old / "settings.json").read_text())
    del settings["precision"]
    (old / "settings.json").write_text(json.dumps(settings))
    assert export.make_card([old, new], Preprocessing()).networks == 2
