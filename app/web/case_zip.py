"""Mask and report of one case, or of several, in one zip."""

import io
import zipfile
from collections.abc import Sequence
from typing import IO

from app.config import settings
from app.reporting.drawn import drawn_of
from app.reporting.report import report_of
from app.store.models import StoredCase
from app.web.downloads import file_stem, room_for_export, waiting_file


def packed(case: StoredCase) -> bytes:
    """Return mask and report of a finished case in a zip. Raises NotReady."""
    results, stem = case.results(), file_stem(case)
    masks = {f"{stem}_seg.nii.gz": results.segmentation}
    if case.mask.by_hand:
        masks[f"{stem}_seg_model.nii.gz"] = case.folder.model_results.segmentation
    # Imported here: fpdf2 takes a tenth of the start, and few requests need it.
    from app.reporting.exports import dicom_files, pack

    # Before the memory for the rest is held: it may need some of its own.
    drawn = drawn_of(case, settings().limits)
    with room_for_export(case):
        return pack(report_of(case, drawn), results, masks, dicom_files(case, drawn), stem)


def packed_together(cases: Sequence[StoredCase]) -> IO[bytes]:
    """Return a file with a zip of a folder for each finished case."""

    def write(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for case, folder in zip(cases, _folders(cases), strict=True):
                with zipfile.ZipFile(io.BytesIO(packed(case))) as one:
                    for entry in one.infolist():
                        name = f"{folder}/{entry.filename}"
                        archive.writestr(name, one.read(entry), entry.compress_type)

    return waiting_file(write)


def _folders(cases: Sequence[StoredCase]) -> list[str]:
    """Return a folder for each case, by its name; cases of one name get a part of their ids, too."""
    stems = [file_stem(case) for case in cases]
    return [
        stem if stems.count(stem) == 1 else f"{stem}_{case.id[:8]}"
        for stem, case in zip(stems, cases, strict=True)
    ]
