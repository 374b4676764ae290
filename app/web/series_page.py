"""What the page of a study's series shows, and what its form means."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.errors import NotReady
from app.store import cases
from app.store.models import StoredCase
from app.web.case_answers import study_answer
from model.errors import CaseError
from model.io.modalities import MODALITIES, TITLES

# What a guess is called that is at least as sure as this, from 0 to 1.
SURENESS = ((0.9, "sure"), (0.7, "likely"), (0.0, "unsure"))
# The form has a field for each series: `series-<n>`.
FIELD = "series-"
# From which difference on between thickness and steps both are shown.
LEAST_GAP_MM = 0.05


def context(case: StoredCase) -> dict[str, Any]:
    """Return the values of `series.html`. Raises NotReady `not_dicom` for other cases."""
    found = study_answer(case)
    if found is None:
        raise NotReady(
            "The case is not from DICOM.", "Only DICOM studies have series.", "not_dicom"
        )
    rows = [_row(number, row) for number, row in enumerate(found["series"])]
    # First those that may be used; the rest has nothing to decide.
    rows.sort(key=_rank)
    used = {row["used_as"] for row in rows}
    return {
        "confirmed": found["confirmed"],
        "from_dicom": case.patient is not None,
        "series": rows,
        "missing": [TITLES[key] for key in MODALITIES if key not in used],
        "may_change": cases.is_own(case),
        "modalities": MODALITIES,
    }


def wanted_series(case: StoredCase, form: Mapping[str, str]) -> dict[str, str]:
    """Return by sequence the key of the series that a form names, "" for none. Raises CaseError."""
    wanted = dict.fromkeys(MODALITIES, "")
    for number, row in enumerate(case.folder.study.series() or []):
        modality = form.get(f"{FIELD}{number}", "")
        if modality not in MODALITIES:
            continue
        if wanted[modality]:
            raise CaseError(
                "duplicate_modality",
                f"Two series were chosen as {TITLES[modality]}.",
                "Choose one of them.",
            )
        wanted[modality] = row["key"]
    return wanted


def _row(index: int, row: dict[str, Any]) -> dict[str, Any]:
    return row | {
        "index": index,
        "field": f"{FIELD}{index}",
        "size": size_lines(row),
        "physics": _physics(row),
        "clock": _clock(row["time"]),
        "sureness": next(word for least, word in SURENESS if row["confidence"] >= least),
        "reasons": [one["text"] for one in row["left_out"] or row["evidence"]],
    }


def _rank(row: dict[str, Any]) -> tuple[int, bool, int]:
    used = row["used_as"]
    place = MODALITIES.index(used) if used else len(MODALITIES)
    return place, bool(row["left_out"]), row["index"]


def size_lines(row: Mapping[str, Any]) -> list[str]:
    """Return in short lines how large a series is: plane and slices with their steps, thickness, pixels.

    The thickness has its line where it is not that of the steps: slices have gaps, or overlap.
    """
    columns, rows, slices = (*row["shape"], 0, 0, 0)[:3]
    if not slices:
        return []
    plane = f"{row['plane']}, " if row["plane"] else ""
    apart = row["spacing_mm"][2] if row["spacing_mm"] else row["thickness_mm"]
    lines = [f"{plane}{slices} × {apart:.1f} mm" if apart else f"{plane}{slices} slices"]
    thick = row["thickness_mm"]
    if row["spacing_mm"] and thick and abs(thick - apart) >= LEAST_GAP_MM:
        lines.append(f"{thick:.1f} mm thick")
    pixel = f", {row['spacing_mm'][0]:.2f} mm" if row["spacing_mm"] else ""
    return [*lines, f"{columns} × {rows}{pixel}"]


def _physics(row: Mapping[str, Any]) -> str:
    values = {"TR": row["tr_ms"], "TE": row["te_ms"], "TI": row["ti_ms"]}
    return ", ".join(f"{name} {value:.0f}" for name, value in values.items() if value)


def _clock(time: str | None) -> str:
    return f"{datetime.fromisoformat(time):%H:%M}" if time else ""
