"""Warnings about a case: what was missing, unusual or resampled. A code each, and text for people."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from model.geometry import is_isotropic_1mm
from model.io.case import Case
from model.io.modalities import MODALITIES, TITLES
from model.io.nifti import Volume
from model.io.nifti_placing import Conflict
from model.plausibility import alike, compared, ct_like, exchanged
from model.preprocess import Prepared
from model.small_lesions import SmallLesion

WarningCode = Literal[
    "missing_sequence",
    "ct_values",
    "same_sequence",
    "exchanged_sequences",
    "orientation_unknown",
    "not_skull_stripped",
    "resampled",
    "displaced_sequences",
    "registration_poor",
    "brain_volume",
    "field_of_view",
    "tumour_at_brain_edge",
    "nothing_marked",
    "small_uncertain",
    "look_closely",
    "header_conflict",
    "file_left_out",
    "taken_by_exclusion",
    "unclassified",
]
# Regions for which a warning tells what a missing sequence costs, as they stand in its sentence.
WARNED_REGIONS = {"WT": "the whole tumour", "TC": "tumour core", "ET": "enhancing tumour"}
# Expected Dice (`model/quality.py`) below which a region is to be looked at closely.
LEAST_EXPECTED = {"WT": 0.85, "TC": 0.75, "ET": 0.7}
# What a small uncertain lesion may be, as it stands in the warning.
SMALL_LESIONS = {"WT": "a separate tumour", "ET": "all of the enhancing tumour"}


@dataclass(frozen=True)
class CaseWarning:
    """A warning: programs go by its code, people read its text.

    "unclassified" is for warnings of versions before 0.7, which kept their text alone.
    """

    code: WarningCode
    text: str


ORIENTATION_UNKNOWN = CaseWarning(
    "orientation_unknown",
    "The headers do not say how the head lies (qform_code and sform_code are 0). Left and right, "
    "and which planes are axial, were guessed.",
)
NOT_SKULL_STRIPPED = CaseWarning(
    "not_skull_stripped",
    "The scans do not look skull-stripped, or have noise around the brain. The model was "
    "trained on skull-stripped scans; expect false marks outside the brain.",
)
# Never worded as an absence of tumour: the model may have missed one.
NOTHING_MARKED = CaseWarning(
    "nothing_marked", "The model marked no voxels. This is no statement about the patient."
)


def case_warnings(
    prepared: Prepared,
    case: Case,
    labels: np.ndarray,
    scores: dict[str, Any],
    small: Sequence[SmallLesion] = (),
    expected: Mapping[str, float] = MappingProxyType({}),
) -> tuple[CaseWarning, ...]:
    """Return the warnings about a case and its labels.

    scores : those of the model card
    small : the small uncertain lesions that were marked
    expected : Dice that the model expects, by region
    """
    warnings = [missing_sequence(modality, scores) for modality in case.missing]
    warnings += implausible_scans(prepared, case)
    if not case.oriented:
        warnings.append(ORIENTATION_UNKNOWN)
    if not prepared.stripped:
        warnings.append(NOT_SKULL_STRIPPED)
    if not is_isotropic_1mm(case.affine):
        warnings.append(resampled(case.spacing_mm))
    if not labels.any():
        warnings.append(NOTHING_MARKED)
    if small:
        warnings.append(small_uncertain(small))
    warnings += look_closely(expected, scores)
    return tuple(warnings)


def left_out(names: Sequence[str]) -> CaseWarning:
    """Return the warning of files whose names say nothing, and which were not used."""
    text = f"Not used, since the name does not say which sequence it is: {', '.join(names)}."
    return CaseWarning("file_left_out", text)


def taken_for(modality: str, name: str) -> CaseWarning:
    """Return the warning of a file that was taken for a sequence because no other was left."""
    text = f"{name} was taken as {TITLES[modality]}: it was the only file left, and this the only sequence."
    return CaseWarning("taken_by_exclusion", text)


def header_conflicts(volumes: Mapping[str, Volume]) -> tuple[CaseWarning, ...]:
    """Return a warning for each thing that headers of scans, by modality, say twice and differently."""
    found: dict[str, list[str]] = {}
    for modality, volume in volumes.items():
        if volume.conflict:
            found.setdefault(_conflict_text(volume.conflict), []).append(TITLES[modality])
    return tuple(
        CaseWarning(
            "header_conflict", f"The header of {', '.join(titles)} contradicts itself: {text}"
        )
        for text, titles in found.items()
    )


def _conflict_text(conflict: Conflict) -> str:
    used, other = conflict.used, conflict.other
    if conflict.kind == "spacing":
        sizes = [
            " x ".join(f"{edge:.3g}" for edge in edges)
            for edges in (conflict.used_mm, conflict.other_mm)
        ]
        return (
            f"by its {used} the voxels are {sizes[0]} mm, by its {other} {sizes[1]} mm. The first was "
            "believed; if that is wrong, so are all volumes and diameters."
        )
    if conflict.kind == "mirrored":
        return (
            f"its {used} and its {other} put left and right on opposite sides. The first was believed; "
            "the side of a lesion may be the other one."
        )
    return (
        f"its {used} and its {other} put it {conflict.apart_mm:.0f} mm apart. The first was believed; "
        "programs that believe the other show the mask elsewhere."
    )


def missing_sequence(modality: str, scores: dict[str, Any]) -> CaseWarning:
    """Return the warning of a case without `modality`, with what that costs as far as it is known."""
    without = scores.get("without", {}).get(modality)
    start = f"No {TITLES[modality]} was given."
    if without is None:
        text = f"{start} How much the accuracy suffers without it was not measured."
        return CaseWarning("missing_sequence", text)
    *parts, last = (
        f"{_change(without[short], scores['regions'][short]['dice'])} for {region}"
        for short, region in WARNED_REGIONS.items()
    )
    return CaseWarning(
        "missing_sequence",
        f"{start} On {scores['patients']} patients not trained on, Dice without it was "
        f"{', '.join(parts)} and {last}.",
    )


def small_uncertain(small: Sequence[SmallLesion]) -> CaseWarning:
    """Return the warning of small lesions that were marked, but may not be there."""
    parts = "; ".join(
        f"{SMALL_LESIONS[one.short]}, {one.volume_ml:.2f} mL, probability {one.probability:.2f}"
        for one in small
    )
    text = f"Small and uncertain marks, to be looked at closely: {parts}."
    return CaseWarning("small_uncertain", text)


def look_closely(
    expected: Mapping[str, float], scores: Mapping[str, Any] = MappingProxyType({})
) -> list[CaseWarning]:
    """Return a warning if the model is unsure of a region, else none.

    expected : Dice that the model expects, by region
    scores : those of the model card, to compare with
    """
    unsure = [short for short in WARNED_REGIONS if expected.get(short, 1.0) < LEAST_EXPECTED[short]]
    if not unsure:
        return []
    parts = "; ".join(_compared(short, expected[short], scores) for short in unsure)
    text = (
        "Look closely: the networks are unsure of much of what they marked. Overlap with the truth "
        f"(Dice, at most 1) that their own probabilities promise: {parts}."
    )
    return [CaseWarning("look_closely", text)]


def _compared(short: str, expected: float, scores: Mapping[str, Any]) -> str:
    """Return an expected Dice beside the limit that it is below, and the measured mean where the card has one."""
    # Rounded down: rounded up, it could look like the limit itself.
    shown = math.floor(expected * 100 + 1e-6) / 100
    text = f"{WARNED_REGIONS[short]} {shown:.2f}, below the limit of {LEAST_EXPECTED[short]:.2f}"
    if (measured := scores.get("regions", {}).get(short, {}).get("dice")) is None:
        return text
    return f"{text} (measured on {scores['patients']} patients not trained on: mean {measured:.2f})"


def implausible_scans(prepared: Prepared, case: Case) -> list[CaseWarning]:
    """Return a warning for each thing about the scans that looks wrong.

    Sequences are compared where all four are given and skull-stripped: only there is it known how often that
    finds what is wrong.
    """
    found = ct_warnings({MODALITIES[channel]: case.sequence(channel) for channel in case.present})
    if not prepared.stripped or case.missing:
        return found
    if (comparison := compared(prepared.volume, prepared.brain)) is None:
        return found
    if same := alike(comparison):
        found.append(_same_sequence(same))
    elif pair := exchanged(comparison):
        found.append(_exchanged_sequences(pair))
    return found


def _same_sequence(modalities: Sequence[str]) -> CaseWarning:
    *first, last = (TITLES[modality] for modality in modalities)
    return CaseWarning(
        "same_sequence",
        f"{', '.join(first)} and {last} look like scans of one sequence. Check which file is which; the marks are "
        "unreliable if one was given twice.",
    )


def _exchanged_sequences(pair: tuple[str, str]) -> CaseWarning:
    first, second = (TITLES[modality] for modality in pair)
    return CaseWarning(
        "exchanged_sequences",
        f"{first} and {second} look as if they had been exchanged. Check which file is which "
        "sequence; the marks are unreliable if they were.",
    )


def ct_warnings(volumes: Mapping[str, np.ndarray]) -> list[CaseWarning]:
    """Return a warning for each sequence (X, Y, Z), by modality, that has the values of a CT."""
    return [
        CaseWarning(
            "ct_values",
            f"{TITLES[modality]} has values far below 0, as a CT has. The model was trained on MRI only.",
        )
        for modality, volume in volumes.items()
        if ct_like(volume)
    ]


def resampled(edges_mm: np.ndarray) -> CaseWarning:
    """Return the warning of a case on another grid than the network's; its voxels have edges (3,) in mm."""
    spacing = " x ".join(f"{mm:.2g}" for mm in edges_mm)
    return CaseWarning(
        "resampled",
        f"The voxels are {spacing} mm; the scans were resampled to 1 mm for the model and the "
        "mask back to the uploaded grid.",
    )


def _change(dice: float, before: float) -> str:
    shown, usual = f"{dice:.2f}", f"{before:.2f}"
    return f"{shown} as with it" if shown == usual else f"{shown} instead of {usual}"
