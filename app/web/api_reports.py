"""REST: the report of a finished case, in several forms."""

from flask import Blueprint, Flask, Response, jsonify

from app.config import settings
from app.reporting import schemas
from app.reporting.drawn import drawn_of
from app.reporting.drawn_images import drawn_rows
from app.reporting.key_images import picture_rows
from app.reporting.report import report_of
from app.reporting.report_csv import to_csv
from app.reporting.windows import windowed
from app.store import cases
from app.store.models import StoredCase
from app.web.case_zip import packed
from app.web.downloads import as_download, file_stem
from app.web.openapi import describe
from app.web.slice_query import WINDOWS_QUERY, windows_asked_for

blueprint = Blueprint("reports", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases/<case_id>/report.json")
@describe({200: schemas.Report}, errors=(401, 404, 409, 503))
def get_report_json(case_id: str):
    """Return measurements and provenance, and what was drawn by hand with its measurements."""
    return jsonify(_report(cases.find(case_id)).model_dump(mode="json"))


@blueprint.get("/api/cases/<case_id>/report.csv")
@describe({200: "text/csv"}, errors=(401, 404, 409, 503))
def get_report_csv(case_id: str):
    """Return measurements and provenance as a table."""
    case = cases.find(case_id)
    table = Response(to_csv(_report(case)), mimetype="text/csv")
    return as_download(table, f"{file_stem(case)}_report.csv")


@blueprint.get("/api/cases/<case_id>/report.pdf")
@describe({200: "application/pdf"}, errors=(401, 404, 409, 503), query=WINDOWS_QUERY)
def get_report_pdf(case_id: str):
    """Return measurements, key images and provenance on one page; what was drawn by hand has pages of its own.

    Key images of a sequence are drawn at its window where one is given.
    """
    case = cases.find(case_id)
    report, windows = _report(case), windows_asked_for()
    found, drawn = report.measurements, report.annotations
    rows = picture_rows(found, case.modalities, drawn)
    rows += drawn_rows(drawn, found, case.results().spacing_mm())
    images = [image for row in rows for image in row]
    scans = windowed(case, images, windows, settings().limits)
    # Imported here: fpdf2 takes a tenth of the start, and few requests need it.
    from app.reporting.report_pdf import to_pdf

    pdf = Response(to_pdf(report, case.results(), scans), mimetype="application/pdf")
    return as_download(pdf, f"{file_stem(case)}_report.pdf")


@blueprint.get("/api/cases/<case_id>/report.zip")
@describe({200: "application/zip"}, errors=(401, 404, 409, 503))
def get_report_zip(case_id: str):
    """Return mask and report in one zip.

    It holds `<name>_seg.nii.gz` and `<name>_report` as `.json`, `.csv` and `.pdf`; where the mask was
    corrected also the model's own, `<name>_seg_model.nii.gz`; of a case that came as DICOM
    `<name>_seg.dcm`, `<name>_report.dcm` and `<name>_structures.dcm`. `<name>` is the case's, of which
    letters, digits, `-` and `_` are kept.
    """
    case = cases.find(case_id)
    response = Response(packed(case), mimetype="application/zip")
    return as_download(response, f"{file_stem(case)}_results.zip")


def _report(case: StoredCase) -> schemas.Report:
    case.results()
    return report_of(case, drawn_of(case, settings().limits))
