"""An uploaded correction of a mask: read from the request, and added as a version."""

from pathlib import Path

from flask import request

from app.errors import BadRequest, TooLarge, UnsupportedType
from app.intake.files import shown_name
from app.store import mask_versions
from app.store.models import StoredCase, StoredMask
from app.web import quotas
from app.web.preparing import queue_anew
from app.web.uploads import reading
from model.io.nifti import read_placing
from model.io.nifti_header import MAX_VOXEL_BYTES

PART = "mask"
# For the header and the form around a mask.
AROUND_BYTES = 2**20


def accept_mask(case: StoredCase) -> StoredMask:
    """Add the mask in the current request to a case. Raises CaseError or RequestError."""
    mask_versions.find(case, 0)
    path, name = _received(case)
    base = request.form.get("base", str(case.mask.number))
    if not base.isdecimal() or len(base) > 9:
        raise BadRequest("base is the number of a version.", code="bad_parameter")
    return mask_versions.correct(case, path, name, int(base))


def accept_brain(case: StoredCase) -> None:
    """Keep the brain mask in the current request, and queue the case to be segmented within it.

    Raises CaseError or RequestError.
    """
    mask_versions.find(case, 0)
    path, name = _received(case)
    placing = read_placing(case.folder.model_results.segmentation)
    mask_versions.check_brain(path, name, case.record.geometry, placing)
    queue_anew(case, case.options, path)


def _received(case: StoredCase) -> tuple[Path, str]:
    """Return where the file of the current request lies, and its name. Raises RequestError."""
    quotas.reserve_disk_for_body()
    if request.mimetype != "multipart/form-data":
        raise UnsupportedType(
            "A mask is sent as multipart/form-data.", f"Send one part named {PART}."
        )
    # Before the body is read: a mask is far smaller than the scans that an upload may hold.
    voxels = case.record.geometry.voxels
    request.max_content_length = MAX_VOXEL_BYTES * voxels + AROUND_BYTES
    body_too_large = TooLarge(
        "The mask is larger than one on the grid of the scans can be.", "Compress it as .nii.gz."
    )
    with reading(body_too_large, f"Send one mask, as a part named {PART}."):
        file = request.files.get(PART)
    if file is None or not file.filename:
        raise BadRequest("No mask was sent.", f"Send it as a part named {PART}.", "no_files")
    file.stream.close()
    return Path(file.stream.name), shown_name(file.filename)
