"""REST: results of a case as DICOM, for archives, viewers and planning systems."""

from dataclasses import replace

from flask import Blueprint, Flask, Response, request
from pydicom import Dataset

from app.config import settings
from app.errors import BadRequest
from app.reporting import endings
from app.reporting.drawn import drawn_of
from app.reporting.report import report_of
from app.store import cases
from app.store.models import StoredCase
from app.web.downloads import as_download, file_stem, room_for_export
from app.web.openapi import describe

DICOM = "application/dicom"
SEG_QUERY = [
    {
        "name": "type",
        "schema": {"type": "string", "enum": ["binary", "labelmap"], "default": "binary"},
        "description": "A label map is smaller; not every viewer reads it yet.",
    }
]
REPORT_QUERY = [
    {
        "name": "type",
        "schema": {"type": "string", "enum": ["sr", "pdf"], "default": "sr"},
        "description": "A structured report, or the PDF report as a document in DICOM.",
    }
]
ERRORS = (400, 401, 404, 409)

blueprint = Blueprint("dicom", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases/<case_id>/segmentation.dcm")
@describe({200: DICOM}, errors=ERRORS, query=SEG_QUERY)
def get_segmentation_dicom(case_id: str):
    """Download the mask that counts as DICOM segmentation; of a case that came as DICOM, else `not_dicom`."""
    case, found = _results(case_id)
    labelmap = _wanted("type", ("binary", "labelmap")) == "labelmap"
    with room_for_export(case):
        return _download(case, found.labelmap if labelmap else found.seg, endings.SEG)


@blueprint.get("/api/cases/<case_id>/report.dcm")
@describe({200: DICOM}, errors=(*ERRORS, 503), query=REPORT_QUERY)
def get_report_dicom(case_id: str):
    """Download the measurements as structured report (TID 1500); of a case that came as DICOM.

    What was drawn by hand is in both kinds.
    """
    case, found = _results(case_id)
    drawn = drawn_of(case, settings().limits)
    found = replace(found, drawn=tuple(drawn))
    if _wanted("type", ("sr", "pdf")) == "sr":
        return _download(case, found.sr, endings.SR)
    from app.reporting.report_pdf import to_pdf

    return _download(case, found.pdf(to_pdf(report_of(case, drawn), case.results())), endings.PDF)


@blueprint.get("/api/cases/<case_id>/structures.dcm")
@describe({200: DICOM}, errors=ERRORS[1:])
def get_structures_dicom(case_id: str):
    """Download the contours of all regions as RT structure set; of a case that came as DICOM."""
    case, found = _results(case_id)
    with room_for_export(case):
        return _download(case, found.rtstruct, endings.STRUCTURES)


def _results(case_id: str):
    # Imported here, as in `_download`: highdicom takes a second of the start, and few requests need it.
    from app.reporting.dicom_results import results_of

    case = cases.find(case_id)
    return case, results_of(case)


def _wanted(name: str, known: tuple[str, ...]) -> str:
    """Return a query parameter, by default the first of those known. Raises BadRequest."""
    value = request.args.get(name, known[0])
    if value not in known:
        raise BadRequest(f"{name} is one of {', '.join(known)}.", code="bad_parameter")
    return value


def _download(case: StoredCase, made: Dataset, ending: str) -> Response:
    from app.reporting.dicom_common import as_file

    response = Response(as_file(made), mimetype=DICOM)
    response.headers["Cache-Control"] = "no-store"
    return as_download(response, f"{file_stem(case)}_{ending}")
