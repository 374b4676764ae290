"""What the clients of the soak send, and whether what they get is whole."""

import gzip
import io
import random
import shutil
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from pydicom import dcmread

from model.io.nifti import read_volume
from tests.app.web.hazards import Parts
from tests.phantoms import small_case
from tests.support.dicom_study import scanned, write_study


def form(parts: Parts, **fields: str) -> tuple[bytes, str]:
    """Return parts and fields of text as (body, content type)."""
    lines = []
    for name, text in fields.items():
        head = f'--soak\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
        lines.append(head.encode())
    for name, file, content in parts:
        head = f'--soak\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n\r\n'
        lines += [head.encode(), content, b"\r\n"]
    return b"".join([*lines, b"--soak--\r\n"]), "multipart/form-data; boundary=soak"


def changed(mask: bytes, dice: random.Random) -> bytes:
    """Return a mask, compressed, with a cube of core drawn into it at random."""
    image = nib.Nifti1Image.from_bytes(gzip.decompress(mask))
    labels = np.asarray(image.dataobj).astype(np.uint8)
    place = [dice.randrange(length - 8) for length in labels.shape]
    labels[tuple(slice(start, start + 8) for start in place)] = 1
    return gzip.compress(nib.Nifti1Image(labels, image.affine, image.header).to_bytes(), 1)


def zipped_study(folder: Path) -> bytes:
    """Return a small case as a zip of DICOM files."""
    write_study(folder / "dicom", scanned(small_case()[0], "siemens"))
    return Path(shutil.make_archive(str(folder / "study"), "zip", folder / "dicom")).read_bytes()


def is_whole(content: bytes) -> bool:
    """Say whether a download is a whole NIfTI file."""
    with tempfile.NamedTemporaryFile(suffix=".nii.gz") as file:
        file.write(content)
        file.flush()
        return read_volume(Path(file.name)).data.size > 0


def is_dicom(content: bytes) -> bool:
    """Say whether a download is a DICOM segmentation."""
    return dcmread(io.BytesIO(content)).NumberOfFrames > 0
