"""The shapes of the REST answers; the OpenAPI document is made from them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from model.io.nifti import DISCLAIMER

State = Literal["queued", "running", "done", "failed"]


class ErrorInfo(BaseModel):
    """What went wrong: a stable code, a sentence, what to do, and the file concerned."""

    code: str
    message: str
    hint: str = ""
    file: str | None = None


class ErrorAnswer(BaseModel):
    error: ErrorInfo


class Accepted(BaseModel):
    id: str
    state: State
    url: str


class ByRegion(BaseModel):
    """One number for each region and derived region."""

    edema: float
    enhancing: float
    core: float
    tumor_core: float
    whole_tumor: float


class VolumesMl(ByRegion):
    """Volumes in mL."""


class PercentOfBrain(ByRegion):
    """Volumes as per cent of the brain's."""


class Confidence(BaseModel):
    """Mean probability of the chosen class, 0 to 1, uncalibrated; null for an empty region."""

    edema: float | None
    enhancing: float | None
    core: float | None
    tumor_core: float | None
    whole_tumor: float | None


class PlaneSlices(BaseModel):
    """Slices of a plane: how many, and the 0-based one with the most tumour."""

    count: int
    largest: int | None


class Slices(BaseModel):
    axial: PlaneSlices
    coronal: PlaneSlices
    sagittal: PlaneSlices


class Rano(BaseModel):
    """Bidimensional measure of the largest enhancing lesion (Wen et al. 2010).

    The axial slice counts from 0; ends are voxel coordinates in the canonical order of the scan's
    own grid, whose voxel centres have whole numbers. Measurable: both diameters reach 10 mm, and
    the lesion two slices.
    """

    longest_mm: float
    perpendicular_mm: float
    product_mm2: float
    slice: int
    longest_ends: list[list[float]]
    perpendicular_ends: list[list[float]]
    measurable: bool


class Lesions(BaseModel):
    """Connected lesions (26 neighbours) of at least 0.05 mL."""

    whole_tumor: int
    enhancing: int


class Location(BaseModel):
    """Where the whole tumour lies: the patient's side, and the centre of mass in RAS+ mm."""

    side: Literal["left", "right", "both"]
    left_share: float
    centre_mm: list[float]


class AreasMm2(BaseModel):
    """Area of the whole tumour in mm2 in every slice of each plane."""

    axial: list[float]
    coronal: list[float]
    sagittal: list[float]


class Measurements(BaseModel):
    """What is null stands for nothing marked, or for a case of an earlier version."""

    volumes_ml: VolumesMl
    brain_ml: float
    voxel_ml: float
    slices: Slices
    percent_of_brain: PercentOfBrain | None = None
    confidence: Confidence | None = None
    rano: Rano | None = None
    lesions: Lesions | None = None
    location: Location | None = None
    areas_mm2: AreasMm2 | None = None


class ModelInfo(BaseModel):
    name: str
    version: str
    architecture: str
    checksum: str


class MaskInfo(BaseModel):
    """Which version of the mask a report is about; 0 is the model's own.

    made_from : the version that was drawn on or gone back to; by_hand : differs from the model's
    """

    number: int
    kind: Literal["model", "corrected", "restored"]
    made_from: int | None
    by_hand: bool


class MaskVersion(MaskInfo):
    created_at: datetime
    whole_tumor_ml: float
    current: bool
    same_as_current: bool
    url: str


class Masks(BaseModel):
    """All versions of a mask, oldest first; they are never changed, and the last one counts."""

    current: int
    masks: list[MaskVersion]
    disclaimer: str = DISCLAIMER


class CaseSummary(BaseModel):
    """may_change : whether the caller may correct and delete it, or only read it"""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    state: State
    stage: str
    progress: float
    error: ErrorInfo | None
    created_at: datetime
    whole_tumor_ml: float | None
    thumbnail: str | None
    url: str
    may_change: bool


class CaseAnswer(CaseSummary):
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int
    modalities: dict[str, str]
    measurements: Measurements | None
    mask: MaskInfo | None
    model: ModelInfo | None
    engine: str | None
    device: str | None
    timings_s: dict[str, float]
    warnings: list[str]
    message: str
    disclaimer: str = DISCLAIMER


class Worklist(BaseModel):
    cases: list[CaseSummary]
    page: int
    pages: int
    total: int
    disclaimer: str = DISCLAIMER


class Shares(BaseModel):
    """Names of the users who may read a case beside its owner and administrators."""

    users: list[str]


class Accuracy(BaseModel):
    """Mean scores of the model on patients not trained on, by short name of region."""

    patients: int | None
    regions: dict[str, dict[str, float | None]]


class Dates(BaseModel):
    """What happened when; what is null did not happen, or is not known. Times are UTC."""

    uploaded: datetime | None = None
    segmented: datetime | None = None
    corrected: datetime | None = None


class Report(BaseModel):
    """Measurements and where they come from."""

    disclaimer: str
    case: dict[str, str]
    message: str
    dates: Dates | None = None
    measurements: Measurements
    mask: MaskInfo | None = None
    model: ModelInfo
    accuracy: Accuracy | None = None
    engine: str
    device: str
    label_convention: str
    label_values: dict[str, int]
    modalities: dict[str, str]
    missing_modalities: list[str]
    geometry: dict[str, Any]
    timings_s: dict[str, float]
    warnings: list[str]
    software: dict[str, str]


class Health(BaseModel):
    status: Literal["ok"]


class Readiness(BaseModel):
    ready: bool
    reasons: list[str]


class Change(BaseModel):
    """A quantity in two cases: second less first, also in per cent of the first.

    What cannot be said is null: of a quantity that one case lacks, or in per cent of nothing.
    """

    first: float | None
    second: float | None
    change: float | None
    percent: float | None


class ComparedCase(BaseModel):
    id: str
    name: str
    created_at: datetime
    mask: MaskInfo


class ComparedVolumes(BaseModel):
    edema: Change
    enhancing: Change
    core: Change
    tumor_core: Change
    whole_tumor: Change


class ComparedDiameters(BaseModel):
    longest_mm: Change
    perpendicular_mm: Change
    product_mm2: Change


class ComparedLesions(BaseModel):
    whole_tumor: Change
    enhancing: Change


class Comparison(BaseModel):
    """Differences of what was measured in two cases; no judgement of either."""

    first: ComparedCase
    second: ComparedCase
    volumes_ml: ComparedVolumes
    brain_ml: Change
    rano: ComparedDiameters
    lesions: ComparedLesions
    notes: list[str]
    disclaimer: str = DISCLAIMER
