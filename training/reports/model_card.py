"""Write MODEL_CARD.md from the artefact's card and from evaluations; no number is typed.

python -m training.model_card --test runs/test.json --without runs/test_without_*.json
"""

import argparse
import sys
from pathlib import Path

from model.card import DEFAULT_DIR, ModelCard, count_text, read_card
from model.errors import ModelError
from model.labels import REGIONS
from model.postprocess import Postprocessing
from training.reports.card_tables import (
    TITLES,
    comparison_table,
    measured,
    missing_table,
    modes_table,
    progress_table,
    read_json,
    size_table,
    table,
)
from training.reports.provenance import held_out_text, lineages, parts_table, settings_texts

RESULTS = Path(__file__).parent / "results"
TEMPLATE = """# Model card: {name} {version}

Written by `python -m training.model_card`; do not edit by hand.

**Research use only. Not a medical device.** The model marks voxels; it makes no statement about a
patient. An empty result does not mean that there is nothing to find.

## What it is

{title}: a U-Net whose encoder is MobileNetV2, pre-trained on ImageNet, with skip connections, a
feature pyramid and a decoder of separable convolutions. It sees {views}{refinement}, at 1 mm with
{neighbours} neighbour on each side, of all four sequences ({channels} channels), and gives each voxel
one of four classes.{averaged} Checksum of the weights: `{checksum}`.

{sizes}

The publication that this work follows gives 1.98 M parameters for its Simple U-Net and 12.5 M for
its MobileUNet.

## Data

{data}, from public copies whose terms allow research use; they are not part of this repository. The
split is by patient, made before anything was trained, and stands in `model/artefact/card.json`.
Cases of whom not all sequences are there (partial) and synthetic phantoms were only trained on.

{parts}

{held_out}

Pre-processing (`model/preprocess.py`): RAS+ at 1 mm, brain box, z-score per sequence over the brain
after clipping to percentiles {clip}. Noise removal is {denoise}, N4 bias-field correction is {n4}.
Flip averaging is {flip}. Post-processing: {post}.

{settings}

{notes}

## Accuracy on patients that training never saw

`python -m training.evaluate DATA_DIR --model-dir training/held_out --only test`: the serving path
({device}), scored per patient on the 3-D volume on the
scans' own grid, then averaged over {patients} patients.

{scores}

Voxel accuracy {accuracy:.4f}, dice loss (1 - mean Dice of ED, ET, NCR) {dice_loss:.4f}.

Lesion-wise, as the BraTS challenge of 2023 scores (every lesion counts alike, missed and false ones
score 0 and 374 mm):

{lesions}

### What each part of the training brought

The same patients after each part that had not seen them; mean Dice.

{progress}

### Accuracy against time

The same patients and weights with fewer and with more slices seen; Dice, and the median of the
seconds to read and segment a patient on the machine named above.

{modes}

### With a sequence missing

The same patients with one file left out of each upload (`--without`); Dice, and its change:

{missing}

### How sure the model is

Of the voxels that it marks or should mark, by the probability of the class chosen:

{calibration}

The mean gap between probability and share of right voxels, weighted by voxels, is
{calibration_error:.3f}.

### Both networks, same folds, same steps

{comparison}

The published figures are the ones of the work that this follows, taken on slices of its own split;
they are not measured on these patients.

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
        "--without", type=Path, nargs="+", default=[], help="evaluations with a sequence missing"
    )
    parser.add_argument(
        "--alone", type=Path, nargs="+", default=[], help="evaluations of single networks, by part"
    )
    parser.add_argument(
        "--modes", type=Path, nargs="+", default=[], help="evaluations with other views averaged"
    )
    parser.add_argument(
        "--compare",
        type=Path,
        nargs="+",
        default=[RESULTS / "simple-unet-four-folds.json", RESULTS / "base-four-folds.json"],
        help="results of training.crossval: the baseline's, then MobileUNet's",
    )
    parser.add_argument("--notes", type=Path, default=Path(__file__).parent / "notes.md")
    parser.add_argument("--out", type=Path, default=Path("MODEL_CARD.md"))
    options = parser.parse_args(arguments)
    try:
        options.out.write_text(card_text(options))
    except (OSError, ModelError) as error:
        print(error, file=sys.stderr)
        return 1
    print(options.out)
    return 0


def card_text(options: argparse.Namespace) -> str:
    """Return the text of the card. Raises OSError and ModelError for what cannot be read."""
    test = read_json(options.test)
    # An experiment that was not run yet is not compared.
    compared = [read_json(path) for path in options.compare if path.exists()]
    card = read_card(options.model_dir)
    tested = lineages(test["model"]["weights"], test["model"]["training"])
    return TEMPLATE.format(
        **describe(card),
        held_out=held_out_text(lineages(card.weights, card.training), test),
        **measured(test),
        sizes=size_table(card),
        comparison=comparison_table(compared),
        progress=progress_table(tested, [*map(read_json, options.alone), test]),
        modes=modes_table([test, *map(read_json, options.modes)]),
        missing=missing_table(test, options.without),
        notes=options.notes.read_text().strip(),
    )


def describe(card: ModelCard) -> dict:
    """Return the fields of the text that come from the card."""
    on = {True: "on", False: "off"}
    post = card.postprocessing
    networks = lineages(card.weights, card.training)
    return {
        "name": card.name,
        "version": card.version,
        "title": TITLES[card.architecture],
        "neighbours": card.preprocessing.neighbours,
        "channels": card.channels,
        "checksum": card.checksum,
        "data": card.training["data"],
        "clip": " and ".join(f"{value:g}" for value in card.preprocessing.clip_percentiles),
        "denoise": on[card.preprocessing.denoise],
        "n4": on[card.preprocessing.bias_correction],
        "views": card.inference.views.text,
        "refinement": refinement_text(card),
        "averaged": averaged_text(card),
        "flip": on[card.inference.flip],
        "post": post_text(post),
        "parts": table(*parts_table(networks)),
        "settings": "\n\n".join(settings_texts(networks)),
    }


def averaged_text(card: ModelCard) -> str:
    """Return a sentence on the networks whose probabilities are averaged; empty for one."""
    if card.networks == 1:
        return ""
    return (
        f" Its probabilities are the mean of {count_text(card.networks)},\neach trained on its own."
    )


def refinement_text(card: ModelCard) -> str:
    """Return what later views leave out, as the end of a list of views."""
    inference = card.inference
    first, *others = inference.planes
    if not (inference.refinement_threshold and (others or card.networks > 1)):
        return ""
    one = f"the first network's {first} ones" if card.networks > 1 else f"{first} ones"
    return (
        f" (all but {one} only near where those give tumour a probability of "
        f"{inference.refinement_threshold:g})"
    )


def post_text(post: Postprocessing) -> str:
    """Return the steps of post-processing as a list."""
    steps = weights_text(post.class_weights)
    steps += f"components under {post.min_component_ml:g} mL are dropped, "
    if post.min_core_ml:
        steps += f"tumour cores under {post.min_core_ml:g} mL become edema, "
    steps += f"less than {post.min_enhancing_ml:g} mL of enhancing tumour in all becomes core"
    if post.growth_temperature:
        steps += (
            ", and if no sequence is missing, edema grows from what was found to where tumour has the "
            "probability with the largest expected Dice, at a temperature of "
            f"{post.growth_temperature:g} (`model/growth.py`)"
        )
    return steps


def weights_text(weights: tuple[float, ...]) -> str:
    """Return which classes' probabilities are weighted, as the start of a list of steps."""
    titles = ["background", *[region.title.lower() for region in REGIONS]]
    changed = [f"{t} {w:g}" for t, w in zip(titles, weights, strict=True) if w != 1.0]
    if not changed:
        return ""
    return f"class probabilities are multiplied ({', '.join(changed)}) and the strongest chosen, "


if __name__ == "__main__":
    sys.exit(main())
