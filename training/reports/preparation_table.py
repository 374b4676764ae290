"""What preparation costs in accuracy: labelled cases taken apart, prepared again and scored.

    python -m training.reports.preparation_table DATA_DIR [DATA_DIR ...]

Writes the tables of docs/preparation.md. The twin of the shipped model is scored, on patients that it was
not trained on: as they are, taken apart, and taken apart with a head around the brain
(`training/data/taken_apart.py`, `training/data/head.py`); the second also with motions and brain as they were made,
which tells what the thick slices alone cost.
"""

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from rich.progress import track

from model.card import read_card
from model.errors import CaseError
from model.inference.segmenter import Segmenter
from model.io.case import Case, find_case_files, find_mask_file, load_case
from model.io.scans import Scans
from model.labels import from_file_values
from model.preparation.brain_extraction import BrainExtractor
from model.preparation.native import Native, prepare_native
from model.preparation.plan import Options, Plan, plan_for, reference_of
from training.data.head import with_head
from training.data.labelled import find_labelled_cases, read_labels
from training.data.split import read_patients
from training.data.taken_apart import TakenApart, taken_apart
from training.networks.trained import TWIN
from training.reports.card_tables import table
from training.scoring.by_source import ALL, names_by_source
from training.scoring.scores import SHORT, dice

PAGE = Path(__file__).parents[2] / "docs" / "preparation.md"
KINDS = ("as they are", "taken apart", "taken apart, with a head")
BEGIN, END = "<!-- measured -->", "<!-- end -->"


@dataclass(frozen=True)
class Measured:
    """What was measured on one case.

    dice : by region; 0 where preparation failed
    cut : the same of the mask of the case as it is, brought onto the grid on which this one was scored
    known : the same of this one, with every motion and the brain given, not found
    apart_mm : by registered sequence, how far registration left the brain from where it was put, on average
    brain : Dice of the brain mask
    """

    dice: dict[str, float]
    cut: dict[str, float] | None = None
    known: dict[str, float] | None = None
    apart_mm: tuple[float, ...] = ()
    brain: float | None = None
    seconds: float = 0.0
    failed: bool = False


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="training.reports.preparation_table", description=__doc__.split("\n")[0]
    )
    parser.add_argument("data_dirs", type=Path, nargs="+", metavar="DATA_DIR")
    parser.add_argument("--model-dir", type=Path, default=TWIN)
    parser.add_argument("--report", type=Path, default=PAGE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--every", type=int, default=1, help="of each source score every N-th patient only"
    )
    options = parser.parse_args(arguments)
    wanted = read_card(options.model_dir).training["split"]["test"]
    there = {f.name: f for f in find_labelled_cases(options.data_dirs) if f.name in wanted}
    folders = [there[name] for name in every_nth(there, options.every)]
    if not folders:
        print("None of the model's test patients was found.", file=sys.stderr)
        return 1
    segmenter = Segmenter.load(options.model_dir)
    found: dict[str, list[Measured]] = {kind: [] for kind in KINDS}
    for number, folder in enumerate(track(folders, "patients")):
        for kind, measured in measure(segmenter, folder, options.seed + number).items():
            found[kind].append(measured)
    before, rest = options.report.read_text().split(BEGIN)
    _, after = rest.split(END)
    options.report.write_text(f"{before}{BEGIN}\n\n{tables(found, options.every)}\n\n{END}{after}")
    return 0


def every_nth(names: Iterable[str], step: int) -> list[str]:
    """Return every `step`-th case of each source, in alphabetical order."""
    groups = names_by_source(sorted(names), read_patients())
    groups.pop(ALL)
    return sorted(name for group in groups.values() for name in group[::step])


def measure(segmenter: Segmenter, folder: Path, seed: int) -> dict[str, Measured]:
    """Segment a labelled case as it is, and taken apart in both ways, and score it; by kind."""
    case = load_case(find_case_files(folder))
    truth = from_file_values(read_labels(find_mask_file(folder), case))
    whole = segmenter.segment(case).labels
    found = {KINDS[0]: Measured(dice_by_region(truth, whole))}
    for kind in KINDS[1:]:
        rng = np.random.default_rng(seed)
        apart = taken_apart(with_head(case, rng) if kind == KINDS[2] else case, rng)
        found[kind] = measure_apart(segmenter, case, apart, truth, whole, f"{folder.name}, {kind}")
        if kind == KINDS[1]:
            found[kind] = replace(found[kind], known=dice_when_known(segmenter, case, apart, truth))
    return found


def measure_apart(
    segmenter: Segmenter,
    case: Case,
    apart: TakenApart,
    truth: np.ndarray,
    whole: np.ndarray,
    name: str,
) -> Measured:
    """Prepare a case that was taken apart, segment it, and score it on the grid of its reference.

    truth, whole : (X, Y, Z) the expert's labels, and those of the case as it was
    """
    start, extractor = time.perf_counter(), BrainExtractor()
    scans = Scans(apart.volumes, dict.fromkeys(apart.volumes, name))
    reference = reference_of(scans)
    expected = apart.labels_on(reference, truth, case.affine)
    cut = dice_by_region(expected, apart.labels_on(reference, whole, case.affine))
    try:
        plan = plan_for(scans, "auto", extractor)
        native = prepare_native(scans, plan, Options(), extractor, lambda stage, share: None)
    except CaseError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return Measured(dict.fromkeys(SHORT, 0.0), cut, failed=True)
    seconds = time.perf_counter() - start
    labels = native.labels_on(reference, segmenter.segment(native.case).labels)
    brain = case.data.any(axis=-1).astype(np.uint8)
    return Measured(
        dice_by_region(expected, labels),
        cut,
        apart_mm=apart_mm(native, apart),
        brain=dice(apart.labels_on(reference, brain, case.affine) > 0, native.brain),
        seconds=seconds,
    )


def dice_when_known(
    segmenter: Segmenter, case: Case, apart: TakenApart, truth: np.ndarray
) -> dict[str, float]:
    """Return Dice by region of a case that was taken apart, where motions and brain need not be found."""
    reference = reference_of(Scans(apart.volumes, {}))
    back = np.linalg.inv(apart.motions[reference])
    volumes = {
        modality: replace(
            volume, affine=np.linalg.inv(apart.motions[modality] @ back) @ volume.affine
        )
        for modality, volume in apart.volumes.items()
    }
    brain = case.data.any(axis=-1).astype(np.uint8)
    brains = {key: apart.labels_on(key, brain, case.affine) > 0 for key in volumes}
    plan, scans = Plan(reference, brains=brains), Scans(volumes, {})
    native = prepare_native(
        scans, plan, Options(), BrainExtractor(), lambda stage, share: None, brains[reference]
    )
    labels = native.labels_on(reference, segmenter.segment(native.case).labels)
    return dice_by_region(apart.labels_on(reference, truth, case.affine), labels)


def dice_by_region(truth: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return Dice by region of two volumes (X, Y, Z) of network indices."""
    return {key: dice(np.isin(truth, c), np.isin(labels, c)) for key, c in SHORT.items()}


def apart_mm(native: Native, apart: TakenApart) -> tuple[float, ...]:
    """Return how far registration left each sequence from where it was put, on average over the brain."""
    grid = native.scans.volumes[native.reference].affine
    points = nib.affines.apply_affine(grid, np.argwhere(native.brain)[::97])
    back = np.linalg.inv(apart.motions[native.reference])
    return tuple(
        float(
            np.linalg.norm(
                nib.affines.apply_affine(native.transforms[modality], points)
                - nib.affines.apply_affine(motion @ back, points),
                axis=1,
            ).mean()
        )
        for modality, motion in apart.motions.items()
        if modality != native.reference
    )


def tables(found: dict[str, list[Measured]], every: int) -> str:
    """Return accuracy, and the quality of registration and brain masks, as Markdown."""
    scores = []
    for kind, rows in found.items():
        if rows[0].cut:
            scores.append(
                _row(
                    "the first row's masks, cut into the slices of the next", [m.cut for m in rows]
                )
            )
        scores.append(_row(kind, [m.dice for m in rows]))
        if kind == KINDS[1]:
            scores.append(_row("the same, motions and brain given", [m.known for m in rows]))
    quality = []
    for kind, rows in found.items():
        left = [mm for row in rows for mm in row.apart_mm]
        if left:
            brains = [row.brain for row in rows if not row.failed]
            quality.append(
                [
                    kind,
                    f"{np.mean(left):.2f} ({np.max(left):.2f})",
                    f"{np.mean(brains):.3f} ({np.min(brains):.3f})",
                    f"{np.mean([row.seconds for row in rows if not row.failed]):.0f}",
                    str(sum(row.failed for row in rows)),
                ]
            )
    count = len(next(iter(found.values())))
    which = f" (of each source, in alphabetical order, the first of every {every})"
    return (
        f"Mean Dice of {count} patients that the scored network was not trained on{which if every > 1 else ''}:\n\n"
        + table(["cases", *SHORT, "mean"], scores)
        + "\n\nLeft by registration in mm, mean (largest); Dice of the brain mask, mean (smallest); seconds of preparation, "
        "beside other work:\n\n" + table(["cases", "registration", "brain", "s", "failed"], quality)
    )


def _row(name: str, scores: list[dict[str, float]]) -> list[str]:
    """Return a row of the table: means by region, and of all."""
    means = [float(np.mean([one[key] for one in scores])) for key in SHORT]
    return [name, *(f"{mean:.3f}" for mean in (*means, np.mean(means)))]


if __name__ == "__main__":
    sys.exit(main())
