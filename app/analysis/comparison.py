"""Two cases side by side: plain differences of what was measured, without any judgement."""

from typing import Any

from flask import Blueprint, Flask, g, jsonify, request

from app.analysis.measurements import VOLUME_KEYS
from app.errors import BadRequest
from app.reporting import schemas
from app.reporting.report import measurements_of
from app.store import cases
from app.store.models import StoredCase
from app.web.openapi import describe

DIAMETERS = ("longest_mm", "perpendicular_mm", "product_mm2")
TWO_CASES = [
    {"name": name, "required": True, "schema": {"type": "string"}, "description": "Id of a case."}
    for name in ("first", "second")
]

blueprint = Blueprint("follow_up", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/comparison")
@describe({200: schemas.Comparison}, errors=(400, 401, 404, 409), query=TWO_CASES)
def get_comparison():
    """Compare what was measured in two cases: second less first, also in per cent of the first.

    Whether both are of one patient is not checked.
    """
    first, second = wanted_cases()
    return jsonify(comparison(first, second).model_dump(mode="json"))


def wanted_cases() -> tuple[StoredCase, StoredCase]:
    """Return the two finished cases that the address names.

    Either as `first` and `second`, or as two of `case`, of which the older upload comes first.
    Raises BadRequest, NotFound or NotReady.
    """
    ids = [request.args.get("first"), request.args.get("second")]
    if in_any_order := request.args.getlist("case"):
        ids = in_any_order
    if len(ids) != 2 or None in ids or ids[0] == ids[1]:
        raise BadRequest("Two cases are compared.", "Choose two in the worklist.", "two_cases")
    # For the audit log.
    g.case_id, g.with_case_id = (case_id[:64] for case_id in ids)
    found = [cases.find(case_id) for case_id in ids]
    for case in found:
        case.results()
    if in_any_order:
        found.sort(key=lambda case: case.created_at)
    return found[0], found[1]


def comparison(first: StoredCase, second: StoredCase) -> schemas.Comparison:
    """Return the differences of two finished cases, with what limits the comparison."""
    reports = first.current_report, second.current_report
    return schemas.Comparison(
        first=_side(first), second=_side(second), notes=notes(*reports), **differences(*reports)
    )


def differences(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return volumes, diameters and counts of two reports with their changes."""
    before, after = measurements_of(first), measurements_of(second)
    return {
        "volumes_ml": {
            key: change(before["volumes_ml"][key], after["volumes_ml"][key]) for key in VOLUME_KEYS
        },
        "brain_ml": change(before["brain_ml"], after["brain_ml"]),
        "rano": {
            key: change(*((found["rano"] or {}).get(key) for found in (before, after)))
            for key in DIAMETERS
        },
        "lesions": {
            key: change(*((found["lesions"] or {}).get(key) for found in (before, after)))
            for key in ("whole_tumor", "enhancing")
        },
    }


def change(first: float | None, second: float | None) -> dict[str, float | None]:
    """Return two values, second less first, and that in per cent of the first.

    What cannot be said is None: of a value that is missing, or in per cent of nothing.
    """
    known = first is not None and second is not None
    difference = round(second - first, 6) if known else None
    percent = round(100 * difference / first, 2) if known and first else None
    return {"first": first, "second": second, "change": difference, "percent": percent}


def notes(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Return what a reader of two reports side by side has to know, in sentences."""
    found = ["Whether both cases are of one patient is not checked."]
    if first["model"]["checksum"] != second["model"]["checksum"]:
        found.append("The cases were segmented by different models.")
    for name, report in (("first", first), ("second", second)):
        if report["mask"]["by_hand"]:
            found.append(f"The mask of the {name} case was corrected by hand.")
        if report["missing_modalities"]:
            found.append(f"The {name} case lacks a sequence.")
    if first["geometry"]["spacing_mm"] != second["geometry"]["spacing_mm"]:
        found.append("The voxels of the scans differ in size.")
    return found


def _side(case: StoredCase) -> dict[str, Any]:
    return {
        "id": case.id,
        "name": case.name,
        "created_at": case.created_at,
        "mask": case.current_report["mask"],
    }
