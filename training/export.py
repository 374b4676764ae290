"""Turn finished runs into the artefact that serving loads.

    python -m training.export --run runs/mobile_unet --out model/artefact

Writes the Keras weights, the OpenVINO export (float16 weights) and `card.json`, and checks that
both engines agree before anything replaces what is there. Of several runs, of one kind of network and
the same cases, the class probabilities are averaged.
"""

import argparse
import datetime
import json
import shutil
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np

from model.card import (
    CARD,
    DEFAULT_DIR,
    OPENVINO,
    WEIGHTS,
    Inference,
    ModelCard,
    file_of,
    read_card,
    verified,
    write_card,
)
from model.engines import Engine, load_engine
from model.errors import ModelError
from model.labels import CLASSES, REGIONS
from model.networks import NETWORKS
from model.phantom import make_case
from model.postprocess import Postprocessing
from model.preprocess import PLANES, Preprocessing, prepare, slice_batches
from training.dataset import load_preprocessing
from training.packing import pack
from training.provenance import by_network, changed, settings_text
from training.rounding import round_weights
from training.settings import Settings

VERSION = "0.5.0"
# Largest mean difference in class probability between engines; bfloat16 has 8 bits of mantissa.
ENGINE_TOLERANCE = 0.01
# The settings in which networks that are averaged are alike: their kind, and what they see.
OF_INPUTS = ("network", "neighbours", "mirror")
# Of the phantom on which the engines are compared: a quick one, whose tumour is still found.
PHANTOM_SHAPE = (88, 104, 80)
# What is told of a training: a run keeps each in a file, a card under its name.
PROVENANCE = ("split", "settings", "start")
# The first convolutions, at up to a quarter of the resolution, are computed in float32 everywhere:
# rounding there counts most (0.2 % of the tumour voxels of one case changed class without this,
# 0.06 % with it).
FLOAT32_CONVOLUTIONS = 10


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.export", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--run",
        type=Path,
        nargs="+",
        required=True,
        help="folders of runs or of trained models; all their networks are averaged",
    )
    parser.add_argument("--data", type=Path, default=Path("runs/data"))
    parser.add_argument("--out", type=Path, default=DEFAULT_DIR)
    parser.add_argument("--planes", nargs="+", choices=PLANES, default=["axial"])
    parser.add_argument("--interval", type=int, default=1, help="take every such slice")
    parser.add_argument(
        "--attention",
        type=float,
        default=0.0,
        metavar="PROBABILITY",
        help="views after the first are of what lies near tumour at least this probable",
    )
    parser.add_argument("--flip", action="store_true", help="average with the mirrored prediction")
    parser.add_argument(
        "--class-weights",
        type=float,
        nargs=CLASSES,
        default=Postprocessing().class_weights,
        metavar="FACTOR",
        help="on the probabilities of background, core, edema and enhancing tumour",
    )
    parser.add_argument("--min-component-ml", type=float, default=0.0)
    parser.add_argument("--min-core-ml", type=float, default=0.0)
    parser.add_argument("--min-enhancing-ml", type=float, default=0.0)
    parser.add_argument("--scores", type=Path, help="what training.evaluate wrote on the test part")
    parser.add_argument(
        "--without", type=Path, nargs="+", default=[], help="the same with a sequence missing"
    )
    options = parser.parse_args(arguments)
    inference = Inference(
        planes=tuple(options.planes),
        interval=options.interval,
        attention=options.attention,
        flip=options.flip,
    )
    postprocessing = Postprocessing(
        class_weights=tuple(options.class_weights),
        min_component_ml=options.min_component_ml,
        min_core_ml=options.min_core_ml,
        min_enhancing_ml=options.min_enhancing_ml,
    )
    scores = held_out(options.scores, options.without) if options.scores else {}
    try:
        preprocessing = load_preprocessing(options.data)
        card = make_card(options.run, preprocessing, inference, postprocessing, scores)
        export(card, options.run, options.out)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    size = sum(file.stat().st_size for file in options.out.iterdir()) / 1e6
    print(f"{card.name} {card.version} in {options.out}, {size:.1f} MB")
    return 0


def export(card: ModelCard, runs: list[Path], out: Path) -> None:
    """Write the artefact of `card`, made of `runs`, to `out`.

    Raises ModelError if its engines disagree.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, network in enumerate(trained(runs)):
            write_network(card, network.weights, folder, number)
        write_card(folder, card)
        difference = engines_differ_by(folder)
        print(f"engines differ by {difference:.5f} in probability on average")
        if difference > ENGINE_TOLERANCE:
            raise ModelError("The export does not reproduce the trained network.")
        out.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            shutil.copy(file, out / file.name)


def make_card(
    runs: list[Path],
    preprocessing: Preprocessing,
    inference: Inference = Inference(),
    postprocessing: Postprocessing = Postprocessing(),
    scores: dict | None = None,
) -> ModelCard:
    """Return the card of finished runs: their settings and cases, and how they are to be used.

    Raises ModelError unless their networks are of one kind, trained on the same cases.
    """
    first, *others = trained(runs)
    for other in others:
        if difference := differing(other.training, first.training):
            raise ModelError(
                f"{other.run} cannot be averaged with {first.run}: it has other {difference}."
            )
    settings = first.training["settings"]
    preprocessing = replace(
        preprocessing, neighbours=settings["neighbours"], mirror=settings["mirror"]
    )
    return ModelCard(
        name="BraTS MobileUNet",
        version=VERSION,
        created=datetime.date.today().isoformat(),
        architecture=settings["network"],
        channels=preprocessing.channels,
        networks=1 + len(others),
        preprocessing=preprocessing,
        inference=inference,
        postprocessing=postprocessing,
        labels={region.key: asdict(region) for region in REGIONS},
        training={
            "data": "BraTS 2017-2025 training cases, research use",
            **first.training,
            **further_networks([other.training for other in others]),
        },
        scores=scores or {},
    )


@dataclass(frozen=True)
class Trained:
    """A trained network: whose folder holds it, its weights file, and what is told of its training."""

    run: Path
    weights: Path
    training: dict


def trained(runs: list[Path]) -> list[Trained]:
    """Return the networks of finished runs and of trained models. Raises ModelError."""
    return [network for run in runs for network in networks_of(run)]


def networks_of(run: Path) -> list[Trained]:
    """Return the network of a finished run, or those of a trained model. Raises ModelError."""
    if not (run / CARD).exists():
        training = {name: json.loads((run / f"{name}.json").read_text()) for name in PROVENANCE}
        return [Trained(run, run / "final.weights.h5", training)]
    card = read_card(run)
    return [
        Trained(
            run,
            verified(run, card, file_of(WEIGHTS, number)),
            {name: training[name] for name in PROVENANCE},
        )
        for number, training in enumerate(by_network(card.training))
    ]


def further_networks(trainings: list[dict]) -> dict[str, list]:
    """Return what a card tells of the trainings after the first, whose split they share."""
    others = [{"settings": one["settings"], "start": one["start"]} for one in trainings]
    return {"others": others} if others else {}


def differing(training: dict, other: dict) -> str:
    """Say in what `training` differs from `other` that forbids an average; empty if in nothing."""
    if training["split"] != other["split"]:
        return "cases"
    # Settings that came after a run count as their defaults.
    defaults = asdict(Settings())
    one, two = (
        {name: (defaults | part["settings"])[name] for name in OF_INPUTS}
        for part in (training, other)
    )
    return "" if one == two else f"settings ({settings_text(changed(one, two))})"


def held_out(path: Path, without: list[Path]) -> dict:
    """Return the means of an evaluation, over how many patients, and Dice without a sequence."""
    result = json.loads(path.read_text())
    scores = {"patients": len(result["cases"]), **result["mean"], "without": {}}
    for other in map(json.loads, (path.read_text() for path in without)):
        regions = other["mean"]["regions"]
        scores["without"][other["without"]] = {
            short: region["dice"] for short, region in regions.items()
        }
    return scores


def write_network(card: ModelCard, weights: Path, folder: Path, number: int) -> None:
    """Write the Keras weights and OpenVINO export of network `number`, trained to `weights`."""
    import openvino as ov
    import tensorflow as tf

    network = NETWORKS[card.architecture](card.channels)
    network.load_weights(weights)
    round_weights(network)
    kept, exported = (folder / file_of(name, number) for name in (WEIGHTS, OPENVINO))
    network.save_weights(kept)
    pack(kept)
    any_size = _with_any_size(network)
    signature = tf.TensorSpec((None, None, None, card.channels), tf.float32)
    function = tf.function(lambda slices: any_size(slices, training=False))
    converted = ov.convert_model(function.get_concrete_function(signature))
    ov.save_model(converted, exported, compress_to_fp16=True)
    keep_float32(exported, first_convolutions(converted, FLOAT32_CONVOLUTIONS))


def first_convolutions(model, count: int) -> set[str]:
    """Return the names of the operations up to the `count`-th convolution of an OpenVINO model."""
    names, seen = set(), 0
    for op in model.get_ordered_ops():
        seen += op.get_type_name() in ("Convolution", "GroupConvolution")
        names.add(op.get_friendly_name())
        if seen == count:
            break
    return names


def keep_float32(path: Path, names: set[str]) -> None:
    """Mark operations of an OpenVINO XML that are not to be computed in 16 bits.

    The mark is what OpenVINO itself writes for its "disable float16" attribute.
    """
    tree = ElementTree.parse(path)
    for layer in tree.getroot().find("layers"):
        if layer.get("name") in names:
            info = layer.find("rt_info")
            if info is None:
                info = ElementTree.Element("rt_info")
                layer.insert(0 if layer.find("data") is None else 1, info)
            ElementTree.SubElement(info, "attribute", name="precise", version="0")
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _with_any_size(network: keras.Model) -> keras.Model:
    """Return a copy whose upsampling can be traced without knowing height and width.

    Keras' own asks in Python whether symbolic sizes are equal, which TensorFlow refuses.
    """
    import tensorflow as tf

    class AnySizeUpSampling2D(keras.layers.UpSampling2D):
        def call(self, inputs):
            size = tf.shape(inputs)[1:3] * self.size[0]
            return tf.image.resize(inputs, size, method=self.interpolation)

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        kind = type(layer)
        kind = AnySizeUpSampling2D if kind is keras.layers.UpSampling2D else kind
        return kind.from_config(layer.get_config())

    copy = keras.models.clone_model(network, clone_function=clone, recursive=True)
    copy.set_weights(network.get_weights())
    return copy


def engines_differ_by(folder: Path) -> float:
    """Return the mean absolute difference of class probabilities between the two engines.

    On slices through a small phantom's tumour; of several networks, that of the one with the largest.
    """
    card = read_card(folder)
    batch = middle_slices(card)
    engines = [load_engine(folder, card, name, "cpu") for name in ("openvino", "tensorflow")]
    differences = []
    for network in range(card.networks):
        one, other = (predicted(engine, batch, network) for engine in engines)
        differences.append(float(np.abs(one - other).mean()))
    return max(differences)


def middle_slices(card: ModelCard) -> np.ndarray:
    """Return what a network sees of a small phantom's middle axial slices, (batch, H, W, C)."""
    case, _ = make_case(shape=PHANTOM_SHAPE)
    prepared = prepare(case, card.preprocessing)
    middle = prepared.volume.shape[2] // 2
    seen = range(middle, middle + card.inference.batch)
    ((batch, _),) = slice_batches(
        prepared.volume,
        prepared.brain,
        card.preprocessing,
        "axial",
        card.inference.shapes,
        card.inference.batch,
        seen,
    )
    return batch


def predicted(engine: Engine, batch: np.ndarray, network: int) -> np.ndarray:
    """Return class probabilities (B, H, W, classes) of one batch (B, H, W, C) by one network."""
    results = []
    engine.run([batch], lambda index, result: results.append(result.copy()), network)
    return results[0]


if __name__ == "__main__":
    sys.exit(main())
