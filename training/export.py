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
from dataclasses import asdict, replace
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
    read_card,
    verified,
    write_card,
)
from model.engines import load_engine
from model.errors import ModelError
from model.labels import CLASSES, REGIONS
from model.networks import averaged, members
from model.postprocess import Postprocessing
from model.preprocess import PLANES, Preprocessing
from training.dataset import load_preprocessing
from training.packing import pack
from training.provenance import changed, settings_text
from training.rounding import round_weights
from training.settings import Settings

VERSION = "0.4.0"
# Largest mean difference in class probability between engines; bfloat16 has 8 bits of mantissa.
ENGINE_TOLERANCE = 0.01
# The settings in which networks that are averaged are alike: their kind, and what they see.
OF_INPUTS = ("network", "neighbours", "mirror")
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
        help="folders of runs or of trained models; several are averaged",
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
        help="planes after the first are looked at only near tumour at least this probable",
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
        write_network(card, [weights_of(run) for run in runs], folder)
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

    Raises ModelError unless they are networks of one kind, trained on the same cases.
    """
    first, *others = map(read_training, runs)
    for run, other in zip(runs[1:], others, strict=True):
        if difference := differing(other, first):
            raise ModelError(f"{run} cannot be averaged with {runs[0]}: it has other {difference}.")
    settings = first["settings"]
    preprocessing = replace(
        preprocessing, neighbours=settings["neighbours"], mirror=settings["mirror"]
    )
    return ModelCard(
        name="BraTS MobileUNet",
        version=VERSION,
        created=datetime.date.today().isoformat(),
        architecture=settings["network"],
        channels=preprocessing.channels,
        networks=len(runs),
        preprocessing=preprocessing,
        inference=inference,
        postprocessing=postprocessing,
        labels={region.key: asdict(region) for region in REGIONS},
        training={
            "data": "BraTS 2017-2025 training cases, research use",
            **first,
            **further_networks(others),
        },
        scores=scores or {},
    )


def read_training(run: Path) -> dict[str, dict]:
    """Return what a finished run tells of its training: `split`, `settings` and `start`.

    That of a trained model stands in its card. Raises ModelError.
    """
    names = ("split", "settings", "start")
    if not (run / CARD).exists():
        return {name: json.loads((run / f"{name}.json").read_text()) for name in names}
    card = read_card(run)
    if card.networks > 1:
        raise ModelError(f"The model in {run} averages {card.ensemble} already.")
    return {name: card.training[name] for name in names}


def weights_of(run: Path) -> Path:
    """Return the weights file of a finished run, or of a trained model. Raises ModelError."""
    if not (run / CARD).exists():
        return run / "final.weights.h5"
    return verified(run, read_card(run), WEIGHTS)


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


def write_network(card: ModelCard, weights: list[Path], folder: Path) -> None:
    """Write Keras weights and the OpenVINO export of the networks that `weights` belong to."""
    import openvino as ov
    import tensorflow as tf

    network = averaged(card.architecture, card.channels, card.networks)
    for member, path in zip(members(network), weights, strict=True):
        member.load_weights(path)
        round_weights(member)
    network.save_weights(folder / WEIGHTS)
    pack(folder / WEIGHTS)
    any_size = _with_any_size(network)
    signature = tf.TensorSpec((None, None, None, card.channels), tf.float32)
    function = tf.function(lambda slices: any_size(slices, training=False))
    converted = ov.convert_model(function.get_concrete_function(signature))
    ov.save_model(converted, folder / OPENVINO, compress_to_fp16=True)
    first = [first_convolutions(one, FLOAT32_CONVOLUTIONS) for one in one_by_one(converted)]
    keep_float32(folder / OPENVINO, set().union(*first))


def one_by_one(model) -> list:
    """Return an OpenVINO model for each network of an averaged one, up to its probabilities."""
    import openvino as ov

    ends = [op for op in model.get_ordered_ops() if op.get_type_name() == "Softmax"]
    return [ov.Model([end.output(0)], model.get_parameters(), "member") for end in ends]


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
    """Return the mean absolute difference of class probabilities between the two engines."""
    from model.card import read_card

    card = read_card(folder)
    shape = (1, *card.inference.shapes[1], card.channels)
    batch = np.random.default_rng(0).standard_normal(shape, np.float32)
    results = {}
    for name in ("openvino", "tensorflow"):
        engine = load_engine(folder, card, name, "cpu")
        engine.run([batch], lambda index, result, name=name: results.update({name: result.copy()}))
    return float(np.abs(results["openvino"] - results["tensorflow"]).mean())


if __name__ == "__main__":
    sys.exit(main())
