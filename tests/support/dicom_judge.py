"""`dciodvfy` of dicom3tools as judge of DICOM objects."""

import shutil
import subprocess
from pathlib import Path

import pytest
from pydicom import Dataset

COMMAND = "dciodvfy"
needs_judge = pytest.mark.skipif(
    not shutil.which(COMMAND), reason="dciodvfy (Debian package dicom3tools) is not installed"
)


def errors(dataset: Dataset, folder: Path) -> list[str]:
    """Return the errors that dciodvfy finds in a dataset."""
    path = folder / "judged.dcm"
    dataset.save_as(path, enforce_file_format=True)
    done = subprocess.run([COMMAND, str(path)], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    # It names the class of object that it knows, so that silence is no approval.
    assert lines, "dciodvfy said nothing"
    return [line for line in lines if line.startswith("Error")]
