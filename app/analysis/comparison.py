"""Two cases side by side: plain differences of what was measured, without any judgement."""

from dataclasses import dataclass
from typing import Any

from app.analysis.measurements import VOLUME_KEYS, Measurements
from app.analysis.record import CaseRecord, MaskInfo
from app.analysis.values import ByKey

DIAMETERS = ("longest_mm", "perpendicular_mm", "product_mm2")
LESIONS = ("whole_tumor", "enhancing")


@dataclass(frozen=True)
class Change:
    """A quantity in two cases: second less first, also in per cent of the first.

    What cannot be said is null: of a quantity that one case lacks, or in per cent of nothing.
    """

    first: float | None
    second: float | None
    change: float | None
    percent: float | None


@dataclass(frozen=True)
class ComparedVolumes(ByKey):
    edema: Change
    enhancing: Change
    core: Change
    tumor_core: Change
    whole_tumor: Change


@dataclass(frozen=True)
class ComparedDiameters:
    longest_mm: Change
    perpendicular_mm: Change
    product_mm2: Change


@dataclass(frozen=True)
class ComparedLesions:
    whole_tumor: Change
    enhancing: Change


@dataclass(frozen=True)
class Differences:
    """Volumes, diameters and counts of two cases with their changes."""

    volumes_ml: ComparedVolumes
    brain_ml: Change
    rano: ComparedDiameters
    lesions: ComparedLesions


def differences(first: CaseRecord, second: CaseRecord) -> Differences:
    """Return what differs between two records."""
    before, after = first.measurements, second.measurements
    return Differences(
        volumes_ml=ComparedVolumes(
            **{key: change(before.volumes_ml[key], after.volumes_ml[key]) for key in VOLUME_KEYS}
        ),
        brain_ml=change(before.brain_ml, after.brain_ml),
        rano=ComparedDiameters(
            **{name: change(*(diameter(m, name) for m in (before, after))) for name in DIAMETERS}
        ),
        lesions=ComparedLesions(**_changes(before.lesions, after.lesions, LESIONS)),
    )


def diameter(measurements: Measurements, name: str) -> float | None:
    """Return a diameter or the product by its name: 0 where nothing enhances, None where nobody measured."""
    if measurements.rano is None:
        return None if measurements.volumes_ml.enhancing else 0.0
    return getattr(measurements.rano, name)


def _changes(before: Any, after: Any, names: tuple[str, ...]) -> dict[str, Change]:
    """Return the change of each of the fields `names`; either object may be None."""
    return {name: change(getattr(before, name, None), getattr(after, name, None)) for name in names}


def change(first: float | None, second: float | None) -> Change:
    """Return two values, second less first, and that in per cent of the first."""
    known = first is not None and second is not None
    difference = round(second - first, 6) if known else None
    percent = round(100 * difference / first, 2) if known and first else None
    return Change(first, second, difference, percent)


def notes(first: tuple[CaseRecord, MaskInfo], second: tuple[CaseRecord, MaskInfo]) -> list[str]:
    """Return what a reader of two cases side by side has to know, in sentences."""
    found = ["Whether both cases are of one patient is not checked."]
    if first[0].model.checksum != second[0].model.checksum:
        found.append("The cases were segmented by different models.")
    for name, (record, mask) in (("first", first), ("second", second)):
        if mask.by_hand:
            found.append(f"The mask of the {name} case was corrected by hand.")
        if record.missing_modalities:
            found.append(f"The {name} case lacks a sequence.")
    if first[0].geometry.spacing_mm != second[0].geometry.spacing_mm:
        found.append("The voxels of the scans differ in size.")
    return found
