"""Everything that a finished case gives, in one zip."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response

from app.reporting.report import to_csv
from app.store import cases
from app.store.mask_versions import SEGMENTATION
from app.store.models import RESULTS
from app.web.downloads import as_download, file_stem
from app.web.openapi import describe

blueprint = Blueprint("bundle", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/api/cases/<case_id>/report.zip")
@describe({200: "application/zip"}, errors=(401, 404, 409))
def get_report_zip(case_id: str):
    """Return mask and report in one zip.

    It holds `<name>_seg.nii.gz` and `<name>_report` as `.json`, `.csv` and `.pdf`; where the mask was
    corrected also the model's own, `<name>_seg_model.nii.gz`. `<name>` is the case's, of which
    letters, digits, `-` and `_` are kept.
    """
    case = cases.find(case_id)
    results, stem = case.results(), file_stem(case)
    found = {f"{stem}_seg.nii.gz": results / SEGMENTATION}
    if case.mask.by_hand:
        found[f"{stem}_seg_model.nii.gz"] = case.folder / RESULTS / SEGMENTATION
    packed = pack(case.current_report, results, found, stem)
    return as_download(Response(packed, mimetype="application/zip"), f"{stem}_results.zip")


def pack(report: dict[str, Any], results: Path, masks: dict[str, Path], stem: str) -> bytes:
    """Return a zip of masks and report.

    results : folder of the finished case; masks : files by their names in the zip;
    stem : what the names of the others begin with
    """
    # Imported here: fpdf2 takes a tenth of the start, and few requests need it.
    from app.reporting.report_pdf import to_pdf

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in masks.items():
            # Compressed already.
            archive.write(path, name, zipfile.ZIP_STORED)
        text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
        archive.writestr(f"{stem}_report.json", text)
        archive.writestr(f"{stem}_report.csv", to_csv(report))
        archive.writestr(f"{stem}_report.pdf", to_pdf(report, results))
    return buffer.getvalue()
