"""Write MODEL_CARD.md from the artefact's card and from evaluations; no score is typed.

python -m training.reports.model_card --test runs/card/test.json --without runs/card/without_*.json
"""

import argparse
import sys
import textwrap
from pathlib import Path

from model.card import DEFAULT_DIR, ModelCard, read_card
from model.errors import ModelError
from training.data.split import read_patients
from training.experiments import CONFIG, Experiment, read_experiments
from training.networks.provenance import stages_by_network
from training.reports.card_sentences import (
    averaged_text,
    post_text,
    refinement_text,
    size_text,
    supervised_text,
)
from training.reports.card_tables import (
    TITLES,
    comparison_table,
    measured,
    missing_table,
    modes_table,
    read_json,
    stages_table,
)
from training.reports.held_out import held_out_text
from training.reports.source_tables import (
    earlier_text,
    expected_text,
    lesions_table,
    patients_table,
    sources_table,
)
from training.scoring.results import RESULTS, Result, read_results
from training.settings import read_toml

WIDTH = 110
COMPARED = ("simple-unet-four-folds", "base-four-folds")
TEMPLATE = """# Model card: {name} {version}

Written by `python -m training.reports.model_card`; do not edit by hand.

For research on adult glioma before surgery: it marks edema, enhancing tumour and necrotic core in four
MRI sequences of one patient. **Research use only. Not a medical device.** It makes no statement about a
patient, and an empty result does not mean that there is nothing to find.

## Accuracy on patients that training never saw

Scored on the 3-D volumes through the serving path ({device}). {held_out} Means over {patients} patients:

    python -m training.evaluate DATA_DIR --model-dir training/held_out --only test

(after `uv sync --extra train`, with the `python` of `.venv`).

{scores}

NCR: necrotic / non-enhancing core, ED: edema, ET: enhancing tumour, TC: tumour core (NCR and ET), WT:
whole tumour. Volume error: marked minus true. Voxel accuracy {accuracy:.4f}, dice loss (1 - mean Dice of
NCR, ED, ET) {dice_loss:.4f}. Lesion-wise is as in the BraTS challenge of 2023: every lesion counts alike;
missed and false lesions score Dice 0 and HD95 374 mm. A region that a patient does not have scores 1 if
nothing was marked, else 0.

### Each source

Mean Dice with its interval (95 %, bootstrap over patients), then the median. {earlier}

{sources}

Lesion by lesion:

{lesions}

![Dice by source](docs/model_card/patients.png) ![Calibration](docs/model_card/calibration.png)

Calibration: over all marked voxels, probability and the share that is right differ by
{calibration_error:.3f} on average. In single patients they differ more: nine of ten regions by less than
{case_gap:.2f}. Tumour that was missed is not in it. The model also expects a Dice of itself
(`model/quality.py`), and warns where that is low. {expected}

### With a sequence missing, and in fast mode

Dice, and its change, with one file left out of each case (`--without`):

{missing}

The first row below is `BTS_QUALITY=fast`, the second the default. Processor s: median seconds per patient,
summed over all cores of a machine that did other work, too. Waiting times on a quiet machine are in
[benchmarks/README.md](benchmarks/README.md).

{modes}

### Compared with the baseline

{comparison} It was a short
training, for the comparison only. *Published* are the figures of the work that this project follows, on
slices of that work's own patients; they were not measured on these.

## Limits

- Anything but adult glioma before surgery is outside what was measured: children, metastases, meningioma,
  after surgery. The cases came skull-stripped and co-registered; what preparation of others costs is in
  [docs/preparation.md](docs/preparation.md).
- With {patients} test patients the means are uncertain by several hundredths, and a source with few patients
  by more; single patients are much worse than the mean. Some of the test patients were scored while earlier
  versions were made ([docs/model-history.md](docs/model-history.md)).
- In patients with little or no enhancing tumour, a few voxels too many turn a Dice of 1 into 0.
- The training data come from public copies of challenges. They do not say age, sex or origin, so that
  nothing can be said about fairness beyond the sources above.
- What limits accuracy was measured: [docs/error-analysis.md](docs/error-analysis.md).

## What it is

{title}: a U-Net whose encoder is MobileNetV2, pre-trained on ImageNet, with skip connections, a feature
pyramid and a decoder of separable convolutions. It sees {views}, at 1 mm, with
{neighbours} neighbour on each side, of all four sequences ({channels} channels), and gives each voxel one of
four classes.{refinement}{averaged}
SHA-256 of the weights: `{checksum}`. {sizes} The publication that this work follows gives 1.98 M parameters for its Simple U-Net and 12.5 M
for its MobileUNet.

Before: RAS+ at 1 mm, box around the brain, z-score of each sequence over the brain after clipping to the
percentiles {clip}. Noise removal is {denoise}, N4 bias-field correction is {n4}, averaging with the
mirrored scan is {flip}.

After: {post}.

## Data and training

{data}, from public copies whose terms allow research use; they are not part of this
repository. `training/split.csv` names each patient's source and part. No test patient was in any training
of the scored model. Patients:

{patients_by_part}

{stages}

Each stage starts from the weights of the stage before, the first one from ImageNet. The settings of the
stages are in `training/recipe/`; {supervised}`make train` repeats all. The recipe was chosen by the
experiments in [docs/experiments.md](docs/experiments.md); what each version changed, and what it cost, is in
[docs/model-history.md](docs/model-history.md).
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="training.reports.model_card", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--model-dir", type=Path, default=DEFAULT_DIR)
    parser.add_argument("--test", type=Path, required=True, help="evaluation of the test patients")
    parser.add_argument(
        "--without", type=Path, nargs="+", default=[], help="evaluations with a sequence missing"
    )
    parser.add_argument(
        "--modes", type=Path, nargs="+", default=[], help="evaluations in another quality"
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        default=COMPARED,
        metavar="EXPERIMENT",
        help="experiments of training.crossval: the baseline's, then MobileUNet's",
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
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
    test, card = read_json(options.test), read_card(options.model_dir)
    networks, patients = stages_by_network(card.weights, card.training), read_patients()
    text = TEMPLATE.format(
        **describe(card),
        **measured(test),
        held_out=held_out_text(networks, test),
        stages=stages_table(networks),
        sizes=size_text(card),
        comparison=comparison_table(compared(options.compare, options.results)),
        modes=modes_table([test, *map(read_json, options.modes)]),
        missing=missing_table(test, options.without),
        sources=sources_table(test, patients),
        earlier=earlier_text(test),
        lesions=lesions_table(test, patients),
        patients_by_part=patients_table(patients),
        expected=expected_text(list(test["cases"].values())),
    )
    return wrapped(text)


def wrapped(text: str) -> str:
    """Return Markdown with its paragraphs and lists broken into lines of at most WIDTH characters."""
    blocks = text.strip().split("\n\n")
    return "\n\n".join(map(_wrapped_block, blocks)) + "\n"


def _wrapped_block(block: str) -> str:
    if block.startswith(("#", "|", "    ")):
        return block
    lines = {"break_long_words": False, "break_on_hyphens": False, "width": WIDTH}
    if not block.startswith("- "):
        return textwrap.fill(block, **lines)
    items = [" ".join(item.split()) for item in block.removeprefix("- ").split("\n- ")]
    return "\n".join(
        textwrap.fill(item, initial_indent="- ", subsequent_indent="  ", **lines) for item in items
    )


def compared(names: list[str], folder: Path) -> list[tuple[Experiment, Result]]:
    """Return those of the named experiments that have a result, with it."""
    experiments = read_experiments(read_toml(CONFIG), CONFIG.parent)
    results = read_results(folder)
    return [(experiments[name], results[name]) for name in names if name in results]


def describe(card: ModelCard) -> dict:
    """Return the fields of the text that come from the card."""
    on = {True: "on", False: "off"}
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
        "supervised": supervised_text(card),
        "flip": on[card.inference.flip],
        "post": post_text(card.postprocessing),
    }


if __name__ == "__main__":
    sys.exit(main())
