"""The shapes of the REST answers; the OpenAPI document is made from them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from model.nifti import DISCLAIMER

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


class VolumesMl(BaseModel):
    edema: float
    enhancing: float
    core: float
    tumor_core: float
    whole_tumor: float


class PlaneSlices(BaseModel):
    """Slices of a plane: how many, and the 0-based one with the most tumour."""

    count: int
    largest: int | None


class Slices(BaseModel):
    axial: PlaneSlices
    coronal: PlaneSlices
    sagittal: PlaneSlices


class Measurements(BaseModel):
    volumes_ml: VolumesMl
    brain_ml: float
    voxel_ml: float
    slices: Slices


class ModelInfo(BaseModel):
    name: str
    version: str
    architecture: str
    checksum: str


class CaseSummary(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    state: State
    stage: str
    progress: float
    error: ErrorInfo | None
    created_at: datetime
    whole_tumor_ml: float | None
    url: str


class CaseAnswer(CaseSummary):
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int
    modalities: dict[str, str]
    measurements: Measurements | None
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


class Report(BaseModel):
    """Measurements and where they come from."""

    disclaimer: str
    case: dict[str, str]
    message: str
    measurements: Measurements
    model: ModelInfo
    engine: str
    device: str
    label_convention: str
    label_values: dict[str, int]
    modalities: dict[str, str]
    geometry: dict[str, Any]
    timings_s: dict[str, float]
    warnings: list[str]
    software: dict[str, str]


class Health(BaseModel):
    status: Literal["ok"]


class Readiness(BaseModel):
    ready: bool
    reasons: list[str]
