"""What is said along with a result: what was missing, unusual or resampled."""

from typing import Any

import numpy as np

from model.geometry import is_isotropic_1mm
from model.io.case import Case
from model.io.modalities import TITLES
from model.plausibility import implausibilities
from model.preprocess import Prepared

# Regions for which a warning tells what a missing sequence costs, as they stand in its sentence.
WARNED_REGIONS = {"WT": "the whole tumour", "TC": "tumour core", "ET": "enhancing tumour"}


def missing_warning(modality: str, scores: dict[str, Any]) -> str:
    """Return what to say of a case without `modality`; `scores` are those of the model card."""
    without = scores.get("without", {}).get(modality)
    start = f"No {TITLES[modality]} was given."
    if without is None:
        return f"{start} How much the accuracy suffers without it was not measured."
    *parts, last = (
        f"{_change(without[short], scores['regions'][short]['dice'])} for {region}"
        for short, region in WARNED_REGIONS.items()
    )
    return (
        f"{start} On {scores['patients']} patients not trained on, Dice without it was "
        f"{', '.join(parts)} and {last}."
    )


def _change(dice: float, before: float) -> str:
    shown, usual = f"{dice:.2f}", f"{before:.2f}"
    return f"{shown} as with it" if shown == usual else f"{shown} instead of {usual}"


def warnings_of(
    prepared: Prepared, case: Case, labels: np.ndarray, scores: dict[str, Any]
) -> tuple[str, ...]:
    """Return the warnings about a case and its labels; `scores` are those of the model card."""
    warnings = [missing_warning(modality, scores) for modality in case.missing]
    warnings += implausibilities(prepared, case)
    if not case.oriented:
        warnings.append(
            "The headers do not say how the head lies (qform_code and sform_code are 0). Left and right, "
            "and which planes are axial, were guessed."
        )
    if not prepared.stripped:
        warnings.append(
            "The scans do not look skull-stripped, or have noise around the brain. The model was "
            "trained on skull-stripped scans; expect false marks outside the brain."
        )
    if not is_isotropic_1mm(case.affine):
        spacing = " x ".join(f"{mm:.2g}" for mm in case.spacing_mm)
        warnings.append(
            f"The voxels are {spacing} mm; the scans were resampled to 1 mm for the model and the "
            "mask back to the uploaded grid."
        )
    if not labels.any():
        warnings.append("The model marked no voxels. This is no statement about the patient.")
    return tuple(warnings)
