"""Which cases are of one patient: by what DICOM headers say, or by BIDS labels in names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from app.intake.dicom_study import Patient

# BIDS: `sub-<label>_ses-<label>`; labels are letters and digits.
SUBJECT, SESSION = (
    re.compile(r"(?:^|[/_])sub-([A-Za-z0-9]+)"),
    re.compile(r"[/_]ses-([A-Za-z0-9]+)"),
)
# What people and programs put in the place of an identifier that was removed.
NO_IDENTIFIER = {"anon", "anonymous", "anonymized", "anonymised", "none", "unknown", "removed", "0"}
EARLIEST = date(1970, 1, 1)


@dataclass(frozen=True)
class Labels:
    """The BIDS labels of a case; both empty where its names do not have both."""

    subject: str = ""
    session: str = ""


def labels_in(names: Iterable[str]) -> Labels:
    """Return the labels that all names share which have any.

    A subject without a session is none: `sub-01` is in every data set, and one with sessions alone is meant to be
    followed.
    """
    found = [
        (subject[1], session[1])
        for name in names
        if (subject := SUBJECT.search(name)) and (session := SESSION.search(name))
    ]
    return Labels(*found[0]) if len(set(found)) == 1 else Labels()


def is_same(one: Patient, other: Patient) -> bool:
    """Say whether two studies are of one patient.

    The identifiers are alike, or both name and birth date, and none of the three contradicts. What is missing
    contradicts nothing.
    """
    pairs = [
        (_identifier(one), _identifier(other)),
        (one.plain_name, other.plain_name),
        (one.birth_date, other.birth_date),
    ]
    if any(a and b and a != b for a, b in pairs):
        return False
    identifier, name, birth = (bool(a and b) for a, b in pairs)
    return identifier or (name and birth)


def study_day(patient: Patient | None, labels: Labels) -> date | None:
    """Return the date of a study: that of the headers, else that in the label of the session."""
    return as_day(patient.study_date if patient else "") or as_day(labels.session)


def as_day(text: str) -> date | None:
    """Return the date that `YYYYMMDD` or `YYYY-MM-DD` stands for; None for anything else, and for no possible day."""
    compact = text.replace("-", "") if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text
    if not re.fullmatch(r"[12]\d{7}", compact):
        return None
    try:
        found = datetime.strptime(compact, "%Y%m%d").date()
    except ValueError:
        return None
    return found if found >= EARLIEST else None


def _identifier(patient: Patient) -> str:
    plain = patient.identifier.strip().casefold()
    return "" if plain in NO_IDENTIFIER else plain
