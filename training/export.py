"""Turn finished runs into the artefact that serving loads.

    python -m training.export --run runs/mobile_unet --out model/artefact

Writes the Keras weights, the OpenVINO export (float16 weights) and `card.json`. Files in the folder
are replaced only after both engines were found to agree. With several runs, of one kind of network
and the same cases, the model averages their class probabilities.
"""

import argparse
import datetime
import json
import shutil
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from model.card import DEFAULT_DIR, Inference, ModelCard, read_card, write_card
from model.errors import ModelError
from model.labels import CLASSES, REGIONS
from model.planes import PLANES
from model.postprocess import Postprocessing
from model.preprocess import Preprocessing
from model.version import VERSION
from training.data.prepared import load_preprocessing
from training.networks.network_files import write_network
from training.networks.trained import differing, further_networks, is_model, trained
from training.scoring import calibration
from training.scoring.engine_difference import ENGINE_TOLERANCE, engines_differ_by
from training.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    options = read_arguments(arguments)
    inference = Inference(
        planes=tuple(options.planes),
        interval=options.interval,
        refinement_threshold=options.refinement_threshold,
        refinement_interval=options.refinement_interval,
        refinement_cube=options.refinement_cube,
        flip=options.flip,
    )
    postprocessing = Postprocessing(
        class_weights=tuple(options.class_weights),
        min_component_ml=options.min_component_ml,
        min_core_ml=options.min_core_ml,
        min_enhancing_ml=options.min_enhancing_ml,
        keep_probability=options.keep_probability,
        temperatures=tuple(options.temperatures),
        growth_temperature=options.growth_temperature,
    )
    scores = held_out(options.scores, options.without) if options.scores else {}
    try:
        preprocessing = preprocessing_of(options.run, options.data)
        card = make_card(options.run, preprocessing, inference, postprocessing, scores)
        export(card, options.run, options.out)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    size = sum(file.stat().st_size for file in options.out.iterdir()) / 1e6
    print(f"{card.name} {card.version} in {options.out}, {size:.1f} MB")
    return 0


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="training.export", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--run",
        type=Path,
        nargs="+",
        required=True,
        help="folders of runs or of trained models; all their networks are averaged",
    )
    parser.add_argument(
        "--data", type=Path, default=Path("runs/data"), help="prepared folder; only needed for runs"
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_DIR)
    add_inference_arguments(parser)
    parser.add_argument("--scores", type=Path, help="what training.evaluate wrote on the test part")
    parser.add_argument(
        "--without", type=Path, nargs="+", default=[], help="the same with a sequence missing"
    )
    return parser.parse_args(arguments)


def add_inference_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what slices the networks see, and how their answer is tidied."""
    parser.add_argument("--planes", nargs="+", choices=PLANES, default=["axial"])
    parser.add_argument("--interval", type=int, default=1, help="take every such slice")
    parser.add_argument(
        "--refinement-threshold",
        type=float,
        default=0.0,
        metavar="PROBABILITY",
        help="views after the first are of what lies near tumour at least this probable",
    )
    parser.add_argument(
        "--refinement-interval",
        type=int,
        default=0,
        metavar="N",
        help="these views take every such slice, the networks in turn; 0: as the first ones",
    )
    parser.add_argument(
        "--refinement-cube",
        type=int,
        default=Inference().refinement_cube,
        metavar="VOXELS",
        help="edge of the cubes that are near",
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
    parser.add_argument(
        "--keep-probability",
        type=float,
        default=Postprocessing().keep_probability,
        metavar="PROBABILITY",
        help="smaller parts stay if they are at least this probable; 1: none stays",
    )
    parser.add_argument(
        "--temperatures",
        type=float,
        nargs=CLASSES,
        default=Postprocessing().temperatures,
        metavar="T",
        help="calibration: what the log-odds of each class are divided by",
    )
    parser.add_argument(
        "--growth-temperature",
        type=float,
        default=0.0,
        metavar="T",
        help="let edema grow to where Dice is expected to be best, log-odds divided by this",
    )


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
    """Return the card of finished runs: their settings and cases, and how the model is to be used.

    Raises ModelError unless their networks are of one kind and were trained on the same cases.
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
            "data": "Training cases of BraTS 2013-2025, among them sub-Saharan Africa, research use",
            **first.training,
            **further_networks([other.training for other in others]),
        },
        scores=scores or {},
    )


def preprocessing_of(runs: list[Path], data: Path) -> Preprocessing:
    """Return how the data of `runs` were prepared.

    A trained model says it in its card; for a run it is that of the prepared folder `data`. Raises
    ModelError if they differ.
    """
    first, *others = [
        read_card(run).preprocessing if is_model(run) else load_preprocessing(data) for run in runs
    ]
    for run, other in zip(runs[1:], others, strict=True):
        # How inputs are made of prepared data is in the settings of each training.
        if Settings().preprocessing(other) != Settings().preprocessing(first):
            raise ModelError(
                f"{run} cannot be averaged with {runs[0]}: it has other preprocessing."
            )
    return first


def held_out(path: Path, without: list[Path]) -> dict:
    """Return what a card says of scores: patients, means, calibration, and Dice without a sequence.

    path : evaluation of the test patients
    without : the same with a sequence missing
    """
    result = json.loads(path.read_text())
    cases = list(result["cases"].values())
    scores = {"patients": len(cases), **result["mean"], "without": {}}
    scores["calibration"] = calibration.summary(cases)
    for other in map(json.loads, (path.read_text() for path in without)):
        regions = other["mean"]["regions"]
        scores["without"][other["without"]] = {
            short: region["dice"] for short, region in regions.items()
        }
    return scores


if __name__ == "__main__":
    sys.exit(main())
