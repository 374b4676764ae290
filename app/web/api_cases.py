"""REST: cases and their results. Every error is `{"error": {"code", "message", "hint"}}`."""

from collections.abc import Callable
from typing import Any

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    g,
    jsonify,
    request,
    send_file,
    url_for,
)

from app.errors import BadRequest, RequestError
from app.jobs import embedded_worker, metrics
from app.reporting import report, schemas
from app.store import cases, mask_versions
from app.store.models import StoredCase
from app.web import headers, openapi, uploads
from app.web.downloads import as_download, file_stem
from app.web.openapi import describe
from model.errors import CaseError
from model.io.modalities import MODALITIES

PER_PAGE = 20
FILE_SCHEMA = {"type": "string", "contentMediaType": "application/octet-stream"}
UPLOAD_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": dict.fromkeys(MODALITIES, FILE_SCHEMA)
                | {
                    "files": {"type": "array", "items": FILE_SCHEMA},
                    "name": {"type": "string", "description": "Shown in the worklist."},
                },
            }
        }
    },
}
UPLOAD_ERRORS = (400, 401, 403, 408, 413, 415, 422, 429, 503, 507)
PAGE_QUERY = [
    {"name": "page", "schema": {"type": "integer", "minimum": 1, "default": 1}},
    {"name": "per_page", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
    {"name": "q", "schema": {"type": "string"}, "description": "Part of the name."},
]
blueprint = Blueprint("api", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


def summary(case: StoredCase) -> dict[str, Any]:
    """Return what the worklist shows of a case, as JSON can hold it."""
    return schemas.CaseSummary(**_summary_fields(case)).model_dump(mode="json")


def details(case: StoredCase) -> dict[str, Any]:
    """Return all that is known of a case, as JSON can hold it."""
    found = case.current_report or {}
    return schemas.CaseAnswer(
        **_summary_fields(case),
        started_at=case.started_at,
        finished_at=case.finished_at,
        attempts=case.attempts,
        modalities=case.modalities,
        measurements=found.get("measurements"),
        mask=found.get("mask"),
        model=found.get("model"),
        engine=found.get("engine"),
        device=found.get("device"),
        timings_s=found.get("timings_s", {}),
        warnings=found.get("warnings", []),
        message=found.get("message", ""),
    ).model_dump(mode="json")


def queue(accept: Callable[[], StoredCase]) -> StoredCase:
    """Take in a case by `accept` and wake the worker; refusals are counted."""
    try:
        case = accept()
    except (CaseError, RequestError) as error:
        metrics.upload_refused(current_app, error.code)
        raise
    embedded_worker.worker(current_app).notify()
    return case


@blueprint.post("/api/cases")
@describe({202: schemas.Accepted}, errors=UPLOAD_ERRORS, body=UPLOAD_BODY)
def create_case():
    """Upload one patient's scans.

    Four parts named by their sequence, or any number named `files` (a zip is unpacked), whose
    sequences are found from the names of files, or of the folders that they lie in. One of the four
    may be left out, at a cost in accuracy that the case's warnings state. Everything is checked
    before anything is kept.
    """
    case = queue(uploads.accept)
    address = url_for("api.get_case", case_id=case.id)
    answer = schemas.Accepted(id=case.id, state=case.state, url=address)
    return jsonify(answer.model_dump()), 202, {"Location": address}


@blueprint.get("/api/cases")
@describe({200: schemas.Worklist}, errors=(400, 401), query=PAGE_QUERY)
def list_cases():
    """List the cases, newest first."""
    page = _number("page", 1)
    found = cases.listing(page, min(_number("per_page", PER_PAGE), 100), request.args.get("q", ""))
    return jsonify(
        schemas.Worklist(
            cases=[_summary_fields(case) for case in found.items],
            page=page,
            pages=found.pages,
            total=found.total,
        ).model_dump(mode="json")
    )


@blueprint.get("/api/cases/<case_id>")
@describe({200: schemas.CaseAnswer}, errors=(401, 404))
def get_case(case_id: str):
    """Tell state, progress and, once it is done, the measurements of a case."""
    case = cases.find(case_id)
    g.is_unfinished = case.state in ("queued", "running")
    return jsonify(details(case))


@blueprint.delete("/api/cases/<case_id>")
@describe({204: None}, errors=(401, 403, 404))
def delete_case(case_id: str):
    """Delete a case: scans, results and row."""
    cases.remove(cases.find_own(case_id))
    headers.clear_cache()
    return "", 204


@blueprint.get("/api/cases/<case_id>/segmentation.nii.gz")
@describe({200: "application/gzip"}, errors=(401, 404, 409))
def get_segmentation(case_id: str):
    """Download the mask that counts, on the grid of the uploaded scans."""
    case = cases.find(case_id)
    response = send_file(
        case.results() / mask_versions.SEGMENTATION,
        mimetype="application/gzip",
        as_attachment=True,
        download_name=f"{file_stem(case)}_seg.nii.gz",
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/api/cases/<case_id>/report.json")
@describe({200: schemas.Report}, errors=(401, 404, 409))
def get_report_json(case_id: str):
    """Return measurements and provenance."""
    return jsonify(_finished(case_id).current_report)


@blueprint.get("/api/cases/<case_id>/report.csv")
@describe({200: "text/csv"}, errors=(401, 404, 409))
def get_report_csv(case_id: str):
    """Return measurements and provenance as a table."""
    case = _finished(case_id)
    table = Response(report.to_csv(case.current_report), mimetype="text/csv")
    return as_download(table, f"{file_stem(case)}_report.csv")


@blueprint.get("/api/cases/<case_id>/report.pdf")
@describe({200: "application/pdf"}, errors=(401, 404, 409))
def get_report_pdf(case_id: str):
    """Return measurements, key images and provenance on one page."""
    case = _finished(case_id)
    # Imported here: fpdf2 takes a tenth of the start, and few requests need it.
    from app.reporting import report_pdf

    pdf = report_pdf.to_pdf(case.current_report, case.results())
    return as_download(Response(pdf, mimetype="application/pdf"), f"{file_stem(case)}_report.pdf")


@blueprint.get("/api/openapi.json")
def get_openapi():
    """Return this description."""
    return jsonify(openapi.build(current_app))


def _summary_fields(case: StoredCase) -> dict[str, Any]:
    names = ("id", "name", "state", "stage", "progress", "error", "created_at", "whole_tumor_ml")
    fields = {name: getattr(case, name) for name in names}
    address = {"case_id": case.id}
    drawn = case.state == "done"
    thumbnail = drawn and url_for("slices.get_thumbnail", **address, mask=case.mask.number)
    place = {"thumbnail": thumbnail or None, "url": url_for("api.get_case", **address)}
    return fields | place | {"may_change": cases.is_own(case)}


def _number(name: str, default: int) -> int:
    """Return a query parameter that counts from 1. Raises BadRequest."""
    text = request.args.get(name, str(default))
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise BadRequest(f"{name} is a number from 1.", code="bad_parameter")
    return int(text)


def _finished(case_id: str) -> StoredCase:
    case = cases.find(case_id)
    case.results()
    return case
