"""Short ways to read what tests have written."""

from pathlib import Path

from model.io.dicom.files import read_header
from model.io.dicom.headers import Instance, instance_of
from model.io.dicom.series import Series, series_of


def instances_in(folder: Path) -> list[Instance]:
    """Return all files of a folder, however deep, in an order of no meaning."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return [instance_of(path, read_header(path)) for path in sorted(paths)]


def series_in(folder: Path) -> list[Series]:
    return series_of(instances_in(folder))
