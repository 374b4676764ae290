"""Mask and reports of a finished case in one zip."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.analysis.drawn import Drawn
from app.reporting.report_csv import to_csv
from app.reporting.report_pdf import to_pdf
from app.reporting.schemas import Report
from app.store.models import StoredCase
from app.store.results import Results


def pack(
    report: Report,
    results: Results,
    masks: Mapping[str, Path],
    dicom: Mapping[str, bytes],
    stem: str,
) -> bytes:
    """Return a zip of masks and report.

    masks : files by their names in the zip
    dicom : contents of files in DICOM, by the ending of their names
    stem : what the names of the others begin with
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in masks.items():
            # Compressed already.
            archive.write(path, name, zipfile.ZIP_STORED)
        for ending, content in dicom.items():
            archive.writestr(f"{stem}_{ending}", content)
        archive.writestr(f"{stem}_report.json", report.model_dump_json(indent=1) + "\n")
        archive.writestr(f"{stem}_report.csv", to_csv(report))
        archive.writestr(f"{stem}_report.pdf", to_pdf(report, results))
    return buffer.getvalue()


def dicom_files(case: StoredCase, drawn: Sequence[Drawn]) -> dict[str, bytes]:
    """Return the results in DICOM by the ending of their names; none of a case that has none.

    drawn : what readers drew on it
    """
    if not case.folder.study.has_source:
        return {}
    # Imported here: highdicom takes a second, and few cases need it.
    from app.reporting.dicom_results import results_of

    return results_of(case, drawn=drawn).files()
