"""The shapes of the REST answers; the OpenAPI document is made from them.

What is measured and kept has its types in `app.analysis`, which these are built of.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.analysis.drawn import Drawn
from app.analysis.measurements import Measurements
from app.analysis.record import Accuracy, Geometry, MaskInfo, ModelInfo
from app.analysis.values import VolumesMl
from app.reporting.annotations import Annotations as Annotations
from app.reporting.case_schemas import CaseChange as CaseChange
from app.reporting.case_schemas import Deleted as Deleted
from app.reporting.case_schemas import ReadingStatus, State
from model.card import Provenance
from model.io.nifti import DISCLAIMER
from model.preparation.record import Preparation
from model.warnings import CaseWarning


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


class MaskVersion(BaseModel):
    """One version of a mask; the first fields are those of MaskInfo."""

    number: int
    kind: Literal["model", "corrected", "restored"]
    made_from: int | None
    by_hand: bool
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


class PatientAnswer(BaseModel):
    """Whose study a case is, as far as its headers say. Dates are YYYYMMDD."""

    name: str
    identifier: str
    birth_date: str
    study_date: str
    accession_number: str
    study_description: str


class CaseSummary(BaseModel):
    """A case as the worklist has it.

    may_change : whether the caller may correct and delete it, or only read it
    patient : null for scans that did not come as DICOM, and where BTS_SHOW_PATIENTS is off
    volumes_ml : of the mask that counts ; warning_count : of its warnings
    sequences : those that were given ; status : what a reader said of it
    """

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
    patient: PatientAnswer | None = None
    volumes_ml: VolumesMl | None = None
    warning_count: int = 0
    sequences: list[str] = []
    status: ReadingStatus = "unread"
    note: str = ""


class CodedText(BaseModel):
    """Something for people, with a code for programs."""

    code: str
    text: str


class StudySeries(BaseModel):
    """One series of a DICOM study.

    modality : which sequence it was taken for by itself, with `confidence` 0 to 1 and the evidence for it
    used_as : which sequence it is used for, null for none
    readable : whether it may be chosen
    shape : columns, rows, slices ; spacing_mm : edges of a voxel in this order
    """

    key: str
    number: int | None
    description: str
    vendor: str
    plane: str | None
    shape: list[int]
    thickness_mm: float | None
    spacing_mm: list[float] | None
    time: str | None
    tr_ms: float | None
    te_ms: float | None
    ti_ms: float | None
    flip_deg: float | None
    contrast_agent: str
    modality: str | None
    confidence: float
    evidence: list[CodedText]
    left_out: list[CodedText]
    chosen: bool
    readable: bool
    text: str
    used_as: str | None
    picture: str | None


class Study(BaseModel):
    """The series of a DICOM study. Until they are confirmed, other ones may be chosen."""

    confirmed: bool
    series: list[StudySeries]


class Delivery(BaseModel):
    """Results of one version of the mask, for one archive.

    due_at : when it is tried next; null unless it waits
    problem : what went wrong at the last attempt, "" if nothing did
    """

    mask: int
    target: str
    state: Literal["waiting", "sent", "failed"]
    attempts: int
    created_at: datetime
    due_at: datetime | None
    sent_at: datetime | None
    problem: str


class Deliveries(BaseModel):
    """What was sent to archives, or is going to be; none before the case is done."""

    deliveries: list[Delivery]


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
    provenance: Provenance | None
    preparation: Preparation | None
    timings_s: dict[str, float]
    warnings: list[str]
    warning_details: list[CaseWarning]
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


class Session(BaseModel):
    """A browser that has signed in; `current` is the one that asks."""

    id: str
    client: str
    created_at: datetime
    seen_at: datetime
    current: bool


class Sessions(BaseModel):
    """The sessions of the caller, the last used first; when, is known to the hour."""

    sessions: list[Session]


IsoTime = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Dates(BaseModel):
    """What happened when; what is null did not happen, or is not known. Times are UTC."""

    uploaded: IsoTime | None = None
    segmented: IsoTime | None = None
    corrected: IsoTime | None = None


class Report(BaseModel):
    """Measurements and where they come from.

    `warning_details` are the `warnings` with their codes, `provenance` the parts of `device`; `annotations` were drawn
    by hand.
    """

    disclaimer: str = DISCLAIMER
    case: dict[str, str]
    message: str
    dates: Dates | None = None
    measurements: Measurements
    mask: MaskInfo | None = None
    model: ModelInfo
    accuracy: Accuracy | None = None
    engine: str
    device: str
    provenance: Provenance
    label_convention: str
    label_values: dict[str, int]
    modalities: dict[str, str]
    missing_modalities: list[str]
    geometry: Geometry
    preparation: Preparation | None = None
    timings_s: dict[str, float]
    warnings: list[str]
    warning_details: list[CaseWarning]
    software: dict[str, str]
    annotations: list[Drawn] = []


class Health(BaseModel):
    status: Literal["ok"]


class Readiness(BaseModel):
    ready: bool
    reasons: list[str]
