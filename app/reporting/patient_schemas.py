"""The shapes of the REST answers about patients over time, and about two cases compared."""

from datetime import date, datetime

from pydantic import BaseModel

from app.analysis.comparison import Change, ComparedDiameters, ComparedLesions, ComparedVolumes
from app.analysis.record import MaskInfo
from app.analysis.response import Criteria
from app.analysis.series import Followed
from app.analysis.subtraction import Subtraction
from app.reporting.schemas import PatientAnswer, State
from model.io.nifti import DISCLAIMER
from model.preparation.record import Registered


class ComparedCase(BaseModel):
    id: str
    name: str
    created_at: datetime
    mask: MaskInfo


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


class PatientSummary(BaseModel):
    """A patient with the cases that the caller may read; the key is random, and the name that of the last case."""

    key: str
    url: str
    name: str
    patient: PatientAnswer | None
    subject: str
    examinations: int
    first: date | None
    last: date | None


class Patients(BaseModel):
    """Patients, the last uploaded first; the first 200 of them."""

    patients: list[PatientSummary]
    disclaimer: str = DISCLAIMER


class PatientExamination(BaseModel):
    """One case of a patient.

    study_date : from the headers, from a BIDS session label that is a date, or as a person has set it
    followed : what changed, null for a case without results
    """

    id: str
    name: str
    url: str
    state: State
    study_date: date | None
    session: str
    uploaded: datetime
    may_change: bool
    mask: MaskInfo | None
    followed: Followed | None


class PatientSeries(BaseModel):
    """The examinations of a patient, oldest first; those without results come last.

    baseline : id of the case that others are compared with ; criteria : thresholds of the categories
    """

    key: str
    patient: PatientAnswer | None
    subject: str
    baseline: str | None
    examinations: list[PatientExamination]
    criteria: list[Criteria]
    notes: list[str]
    disclaimer: str = DISCLAIMER


class TimePointAnswer(BaseModel):
    """The place of a case in the series of its patient."""

    patient: str
    url: str
    study_date: date | None
    session: str
    baseline: bool


class RegisteredPrior(BaseModel):
    """An earlier case on the grid of a later one.

    registered : how it was moved; the matrix goes from mm of the later case to mm of the earlier one
    subtraction : what of each region was gained, lost and kept, and lesions that are new
    sequences : those that both have ; pictures : start of the addresses of its slices
    """

    now: str
    prior: str
    registered: Registered
    subtraction: Subtraction
    sequences: list[str]
    pictures: str
    disclaimer: str = DISCLAIMER
