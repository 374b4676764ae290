"""The files of a model of two networks, untrained: both engines, sizes, and what starts from them.

Of a tiny network, and of MobileUNet itself where there is time.
"""

import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import keras
import numpy as np
import openvino as ov
import pytest

from model.card import OPENVINO, OPENVINO_BIN, WEIGHTS, Inference, file_of, read_card, write_card
from model.inference.engines import load_engine
from model.networks import NETWORKS, mobile_unet
from model.preprocess import Preprocessing
from tests.training.runs import finished
from tests.training.small_networks import tiny_unet
from training import export
from training.networks import network_files
from training.networks.compress_weights import pack
from training.networks.network_files import first_convolutions
from training.networks.pretrained import load_model_weights
from training.networks.provenance import start_of
from training.networks.rounding import round_weights
from training.scoring.engine_difference import ENGINE_TOLERANCE, engines_differ_by, predicted

# Small ones, so that little is compiled.
SHAPES = Inference(shapes=((32, 64), (64, 64)), gpu_shapes=((64, 64),))
MAKERS = [
    pytest.param(tiny_unet, id="tiny"),
    pytest.param(mobile_unet, id="mobile", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=MAKERS)
def make(request):
    """What builds the networks; it takes the place of MobileUNet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "mobile_unet", request.param)
        if request.param is tiny_unet:
            # It has six convolutions.
            patch.setattr(network_files, "FLOAT32_CONVOLUTIONS", 3)
        yield request.param


@pytest.fixture(scope="module")
def runs(make, tmp_path_factory) -> list[Path]:
    root = tmp_path_factory.mktemp("runs")
    runs = [finished(root / str(seed), seed=seed) for seed in range(2)]
    for seed, run in enumerate(runs):
        keras.utils.set_random_seed(seed)
        network = make(12)
        # A network that decides, which one without training does not.
        logits = network.get_layer("logits")
        logits.set_weights([10 * values for values in logits.get_weights()])
        network.save_weights(run / "final.weights.h5")
    return runs


@pytest.fixture(scope="module")
def both(runs, tmp_path_factory) -> Path:
    """The artefact of both runs."""
    out = tmp_path_factory.mktemp("both")
    export.export(export.make_card(runs, Preprocessing(), SHAPES), runs, out)
    return out


@pytest.fixture(scope="module")
def rounded(make, runs) -> list[keras.Model]:
    """The networks of both runs, each alone, as an export rounds them."""
    networks = [make(12) for _ in runs]
    for network, run in zip(networks, runs, strict=True):
        network.load_weights(run / "final.weights.h5")
        round_weights(network)
    return networks


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


def test_another_network_in_one_of_the_engines_is_noticed(both, tmp_path):
    assert engines_differ_by(both) < ENGINE_TOLERANCE
    mixed = shutil.copytree(both, tmp_path / "mixed")
    for name in (OPENVINO, OPENVINO_BIN):
        shutil.copy(mixed / name, mixed / file_of(name, 1))
    write_card(mixed, read_card(mixed))
    assert engines_differ_by(mixed) > ENGINE_TOLERANCE


def test_weights_are_kept_small_and_whole(make, both, rounded, tmp_path):
    for number, alone in enumerate(rounded):
        kept, again = both / file_of(WEIGHTS, number), tmp_path / "again.weights.h5"
        network = make(12)
        network.load_weights(kept)
        for a, b in zip(network.get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        network.save_weights(again)
        # In the file of a tiny network, there is more about the arrays than in them.
        if make is mobile_unet:
            assert kept.stat().st_size < again.stat().st_size / 2
        pack(again)
        # The same weights, the same file, and nothing beside it.
        assert again.read_bytes() == kept.read_bytes()
        assert list(tmp_path.iterdir()) == [again]
    assert sum(file.stat().st_size for file in both.iterdir()) < 25e6


def test_the_first_convolutions_of_each_network_stay_in_float32(both):
    for number in range(2):
        path = both / file_of(OPENVINO, number)
        marked = convolutions_in_float32(path)
        assert len(marked) == network_files.FLOAT32_CONVOLUTIONS
        first = first_convolutions(ov.Core().read_model(path), len(marked))
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


def test_a_training_goes_on_from_any_of_several_networks(make, both, rounded):
    card = read_card(both)
    for number in range(2):
        network = make(12)
        load_model_weights(network, both, number)
        for a, b in zip(network.get_weights(), rounded[number].get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        told = start_of(both, number)
        assert told["weights"] == card.weights[number] != card.checksum
        assert told["training"].keys() == card.training.keys() - {"others"}
    assert start_of(both)["training"].items() <= card.training.items()


@pytest.fixture
def unchecked(monkeypatch):
    """Exports without comparing the engines, which is tested above."""
    monkeypatch.setattr(export, "engines_differ_by", lambda folder: 0.0)

    def exported(given: list[Path], out: Path) -> Path:
        export.export(export.make_card(given, Preprocessing(), SHAPES), given, out)
        return out

    return exported


@pytest.mark.slow
def test_a_trained_model_is_averaged_as_its_run_is(runs, both, unchecked, tmp_path):
    one, two = runs
    model = unchecked([two], tmp_path / "model")
    mixed = unchecked([one, model], tmp_path / "mixed")
    assert read_card(mixed).weights == read_card(both).weights
    assert read_card(mixed).training == read_card(both).training
    assert export.make_card([one, both], Preprocessing()).networks == 3


@pytest.mark.slow
def test_a_model_of_two_networks_is_exported_again(both, unchecked, tmp_path):
    again = unchecked([both], tmp_path)
    assert read_card(again).weights == read_card(both).weights
    assert read_card(again).training == read_card(both).training
