"""Write MODEL_CARD.md from the artefact's card and from evaluations; no number is typed.

python -m training.model_card --test runs/test.json --baseline runs/baseline.json
"""

import argparse
import json
import math
import sys
from pathlib import Path

from model.card import DEFAULT_DIR, OPENVINO_BIN, WEIGHTS, ModelCard, read_card
from model.networks import NETWORKS
from training.scores import SHORT

# Figures that the work which this follows reports for its MobileUNet.
PUBLISHED = {"ED": 0.867, "ET": 0.679, "NCR": 0.7153, "accuracy": 0.9078, "dice_loss": 0.0187}
TITLES = {"simple_unet": "Simple U-Net", "mobile_unet": "MobileUNet"}

TEMPLATE = """# Model card: {name} {version}

Written by `python -m training.model_card`; do not edit by hand.

**Research use only. Not a medical device.** The model marks voxels; it makes no statement about a
patient. An empty result does not mean that there is nothing to find.

## What it is

{title}: a U-Net whose encoder is MobileNetV2, pre-trained on ImageNet, with skip connections, a
feature pyramid and a decoder of separable convolutions. It sees axial slices at 1 mm with
{neighbours} neighbour on each side of all four sequences ({channels} channels) and gives each voxel
one of four classes. Weights: SHA-256 `{checksum}`.

{sizes}

The publication that this work follows gives 1.98 M parameters for its Simple U-Net and 12.5 M for
its MobileUNet.

## Data

{data}: {train} cases for training (two of them synthetic phantoms), {validation} for watching the
training, {test} for testing. The split is by patient, made before anything was trained, and stands
in `model/artefact/card.json`. Test patients were used for nothing but the tables below. The cases come
from public copies of BraTS data, whose terms allow research use; they are not part of this
repository.

Pre-processing (`model/preprocess.py`): RAS+ at 1 mm, brain box, z-score per sequence over the brain
after clipping to percentiles {clip}. Noise removal is {denoise}, N4 bias-field correction is {n4}.
Flip averaging is {flip}. Post-processing: {post}.

Training: {settings}. Loss: cross-entropy plus soft Dice over ED, ET, NCR, TC and WT.{note}

## Accuracy on patients that training never saw

`python -m training.evaluate DATA_DIR --only test`: the serving path ({device}), scored per patient
on the 3-D volume on the scans' own grid, then averaged over {patients} patients.

{scores}

Voxel accuracy {accuracy:.4f}, dice loss (1 - mean Dice of ED, ET, NCR) {dice_loss:.4f}.

### Both networks, same patients, same path

{comparison}

The published figures are the ones of the work that this follows, taken on slices of its own split;
they are not measured on these patients.{baseline_note}

### Each patient

{cases}

## Limits

- Pre-operative adult glioma, skull-stripped, four co-registered sequences. Anything else is outside
  what was measured: children, metastases, meningioma, after surgery, other scanners and protocols.
- With {patients} test patients the means are uncertain by several hundredths; single patients are
  much worse than the mean (see the table).
- Patients with little or no enhancing tumour: a few voxels too many turn a Dice of 1 into 0.
- Training data are few and come from public copies of one challenge; no statement on fairness over
  age, sex or origin can be made, since the data do not say.
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.model_card", description=__doc__.split("\n")[0])
    parser.add_argument("--model-dir", type=Path, default=DEFAULT_DIR)
    parser.add_argument("--test", type=Path, required=True, help="evaluation of the test patients")
    parser.add_argument(
        "--baseline", type=Path, required=True, help="the same for the Simple U-Net"
    )
    parser.add_argument("--baseline-dir", type=Path, default=Path("runs/simple_unet/artefact"))
    parser.add_argument("--note", default="", help="what a reader must know of this training")
    parser.add_argument("--baseline-note", default="")
    parser.add_argument("--out", type=Path, default=Path("MODEL_CARD.md"))
    options = parser.parse_args(arguments)
    folders = {"simple_unet": options.baseline_dir, "mobile_unet": options.model_dir}
    results = {
        "simple_unet": json.loads(options.baseline.read_text()),
        "mobile_unet": json.loads(options.test.read_text()),
    }
    card = read_card(options.model_dir)
    fields = describe(card) | measured(results["mobile_unet"])
    text = TEMPLATE.format(
        **fields,
        sizes=size_table(folders),
        comparison=comparison_table(results),
        note=" " + options.note if options.note else "",
        baseline_note=" " + options.baseline_note if options.baseline_note else "",
    )
    options.out.write_text(text)
    print(options.out)
    return 0


def describe(card: ModelCard) -> dict:
    """Return the fields of the text that come from the card."""
    on = {True: "on", False: "off"}
    post = card.postprocessing
    settings = card.training["settings"]
    return {
        "name": card.name,
        "version": card.version,
        "title": TITLES[card.architecture],
        "neighbours": card.preprocessing.neighbours,
        "channels": card.channels,
        "checksum": card.checksum,
        "data": card.training["data"],
        **{part: len(names) for part, names in card.training["split"].items()},
        "clip": " and ".join(f"{value:g}" for value in card.preprocessing.clip_percentiles),
        "denoise": on[card.preprocessing.denoise],
        "n4": on[card.preprocessing.bias_correction],
        "flip": on[card.inference.flip],
        "post": f"components under {post.min_component_ml:g} mL are dropped, less than "
        f"{post.min_enhancing_ml:g} mL of enhancing tumour in all becomes core",
        "settings": ", ".join(f"{key} {value}" for key, value in settings.items()),
    }


def measured(result: dict) -> dict:
    """Return the fields of the text that come from the evaluation."""
    mean = result["mean"]
    header = ("region", "Dice", "HD95 mm", "volume error mL", "precision", "recall")
    rows = [
        (short, *[f"{value:.3f}" for value in mean["regions"][short].values()]) for short in SHORT
    ]
    cases = []
    for name, scores in result["cases"].items():
        dice = [f"{scores['regions'][short]['dice']:.3f}" for short in SHORT]
        seconds = scores["seconds"]["read"] + scores["seconds"]["segment"]
        cases.append((name, *dice, f"{seconds:.1f}"))
    return {
        "patients": len(result["cases"]),
        "device": result["model"]["device"],
        "scores": table(header, rows),
        "accuracy": mean["accuracy"],
        "dice_loss": mean["dice_loss"],
        "cases": table(("case", *[f"Dice {short}" for short in SHORT], "seconds"), cases),
    }


def size_table(folders: dict[str, Path]) -> str:
    """Return parameters and sizes on disk of both networks."""
    rows = []
    for key, folder in folders.items():
        network = NETWORKS[key](read_card(folder).channels)
        trainable = sum(math.prod(weight.shape) for weight in network.trainable_weights)
        total = network.count_params()
        sizes = [(folder / name).stat().st_size / 1e6 for name in (WEIGHTS, OPENVINO_BIN)]
        counts = (f"{count:,}" for count in (trainable, total - trainable, total))
        rows.append((TITLES[key], *counts, *(f"{size:.1f} MB" for size in sizes)))
    header = (
        "network",
        "trainable",
        "non-trainable",
        "total",
        "weights, float32",
        "export, float16",
    )
    return table(header, rows)


def comparison_table(results: dict[str, dict]) -> str:
    """Return mean scores of both networks beside the published ones."""
    header = ("", *[f"Dice {short}" for short in SHORT])
    header += ("precision", "recall", "accuracy", "dice loss", "s per patient")
    rows = []
    for key, result in results.items():
        mean, cases = result["mean"], result["cases"].values()
        regions = mean["regions"]
        seconds = sum(case["seconds"]["segment"] for case in cases) / len(cases)
        row = [regions[short]["dice"] for short in SHORT]
        row += [regions["WT"]["precision"], regions["WT"]["recall"]]
        row += [mean["accuracy"], mean["dice_loss"]]
        rows.append((TITLES[key], *[f"{value:.3f}" for value in row], f"{seconds:.1f}"))
    published = [f"{PUBLISHED[short]:.3f}" if short in PUBLISHED else "" for short in SHORT]
    accuracy, loss = f"{PUBLISHED['accuracy']:.3f}", f"{PUBLISHED['dice_loss']:.3f}"
    rows.append(("published", *published, "", "", accuracy, loss, ""))
    return table(header, rows) + "\n\nPrecision and recall are those of the whole tumour."


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
