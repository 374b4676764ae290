"""What is kept of a segmented case: measurements, warnings, provenance, geometry.

A `CaseRecord` is made once, when a case has been segmented, and stored as JSON. Reports, pages and
comparisons are made from it; text for people is made there.
"""

import platform
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from pydantic import ConfigDict, TypeAdapter

from app.analysis.measurements import Measurements
from app.analysis.pipeline import Analysis
from model.card import ModelCard, Provenance
from model.geometry import to_canonical
from model.labels import Convention
from model.preparation.record import Preparation
from model.version import VERSION
from model.warnings import CaseWarning

# Packages whose versions are kept, beside that of the engine.
PACKAGES = ("numpy", "nibabel")
# Scores of the model card that are kept with a case.
ACCURACY = ("dice", "hd95_mm")


@dataclass(frozen=True)
class ModelInfo:
    """Which model segmented a case; the checksum is that of its weights."""

    name: str
    version: str
    architecture: str
    checksum: str


@dataclass(frozen=True)
class Calibration:
    """How far probabilities and the share of right voxels are apart, on patients not trained on.

    error : over all marked voxels
    case_gap : nine of ten regions of single patients are closer
    """

    error: float
    case_gap: float


@dataclass(frozen=True)
class Accuracy:
    """Mean scores of the model on patients not trained on, by short name of region."""

    patients: int | None
    regions: dict[str, dict[str, float | None]]
    calibration: Calibration | None = None


@dataclass(frozen=True)
class Geometry:
    """The grid of the scans.

    shape : voxels along the axes of the file
    affine, canonical_affine : (4, 4), of the file's voxel order and of RAS+ order
    brain_centre_mm : (3,) RAS+ mm, None for cases of versions that did not keep it
    """

    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    affine: tuple[tuple[float, ...], ...]
    canonical_affine: tuple[tuple[float, ...], ...] = ()
    brain_centre_mm: tuple[float, ...] | None = None

    @property
    def voxels(self) -> int:
        return int(np.prod(self.shape))

    @property
    def voxels_at_1mm(self) -> int:
        """How many voxels the same extent has at 1 mm."""
        return int(np.ceil(np.multiply(self.shape, self.spacing_mm)).prod())

    @property
    def affine_array(self) -> np.ndarray:
        """The affine as (4, 4) float64."""
        return np.array(self.affine)


@dataclass(frozen=True)
class MaskInfo:
    """Which version of the mask a report is about; 0 is the model's own.

    made_from : the version that was drawn on or gone back to; by_hand : differs from the model's
    """

    number: int
    kind: Literal["model", "corrected", "restored"]
    made_from: int | None
    by_hand: bool


@dataclass(frozen=True)
class CaseRecord:
    """Everything that is known of a case once it has been segmented.

    modalities : the files' names as their owner knows them, by modality
    timings_s : seconds by stage
    software : versions by package
    preparation : None for cases of versions that had none
    """

    __pydantic_config__ = ConfigDict(extra="ignore")

    measurements: Measurements
    warnings: tuple[CaseWarning, ...]
    model: ModelInfo
    provenance: Provenance
    label_convention: Convention
    modalities: dict[str, str]
    geometry: Geometry
    timings_s: dict[str, float]
    software: dict[str, str]
    missing_modalities: tuple[str, ...] = ()
    accuracy: Accuracy | None = None
    preparation: Preparation | None = None

    def corrected(self, findings: "MaskFindings | None") -> "CaseRecord":
        """Return the record of a corrected mask; None stands for the model's own mask."""
        if findings is None:
            return self
        return replace(self, measurements=findings.measurements, warnings=findings.warnings)


@dataclass(frozen=True)
class MaskFindings:
    """What a corrected mask changes in a case's record."""

    measurements: Measurements
    warnings: tuple[CaseWarning, ...] = field(default=())


_RECORD = TypeAdapter(CaseRecord)
_FINDINGS = TypeAdapter(MaskFindings)


def record_of(
    analysis: Analysis, card: ModelCard, convention: Convention, names: dict[str, str]
) -> CaseRecord:
    """Return the record of a case that has just been segmented.

    names : the files as their owner knows them, by modality
    """
    segmentation, case = analysis.segmentation, analysis.case
    _, canonical_affine = to_canonical(segmentation.labels, segmentation.affine)
    return CaseRecord(
        measurements=analysis.measurements,
        warnings=segmentation.warnings,
        model=ModelInfo(card.name, card.version, card.architecture, card.checksum),
        provenance=segmentation.provenance,
        accuracy=accuracy_of(card.scores),
        preparation=analysis.preparation,
        label_convention=convention,
        modalities=dict(names),
        missing_modalities=case.missing,
        geometry=Geometry(
            shape=tuple(int(length) for length in case.shape),
            spacing_mm=tuple(float(edge) for edge in case.spacing_mm),
            affine=_rows(segmentation.affine),
            canonical_affine=_rows(canonical_affine),
            brain_centre_mm=segmentation.brain_centre_mm,
        ),
        timings_s={stage: round(float(s), 4) for stage, s in analysis.timings_s.items()},
        software={"brats-mobileunet": VERSION, "python": platform.python_version()}
        | {name: version(name) for name in (*PACKAGES, segmentation.provenance.engine)},
    )


def accuracy_of(scores: dict[str, Any]) -> Accuracy | None:
    """Return the mean scores of a model card that a reader needs, None if it has none."""
    if not scores.get("regions"):
        return None
    regions = {
        short: {name: row.get(name) for name in ACCURACY}
        for short, row in scores["regions"].items()
    }
    calibration = scores.get("calibration")
    return Accuracy(
        scores.get("patients"), regions, Calibration(**calibration) if calibration else None
    )


def to_json(value: CaseRecord | MaskFindings) -> dict[str, Any]:
    """Return a record as JSON can hold it."""
    return asdict(value)


def record_from_json(fields: dict[str, Any]) -> CaseRecord:
    """Return the record that `to_json` wrote. Raises ValueError for what is none."""
    return _RECORD.validate_python(fields)


def findings_from_json(fields: dict[str, Any]) -> MaskFindings:
    """Return the findings that `to_json` wrote. Raises ValueError for what are none."""
    return _FINDINGS.validate_python(fields)


def _rows(affine: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in affine.tolist())
