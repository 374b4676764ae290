"""NIfTI files that hold several volumes, taken apart."""

import io
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from model.errors import CaseError
from model.io.nifti import DAMAGE, errors_of, inflated
from model.io.nifti_header import Limits, check_header, read_header, truncated

_CHUNK = 2**20


def volumes_in(path: Path) -> int:
    """Return how many volumes a file holds by its header; 0 if it is no NIfTI file that can be read."""
    try:
        with ExitStack() as files:
            header, _ = read_header(inflated(path, files))
    except (CaseError, OSError, *DAMAGE):
        return 0
    axes = int(header["dim"][0])
    return int(np.prod([max(1, int(n)) for n in header["dim"][4 : axes + 1]])) if axes < 8 else 0


def split_volumes(path: Path, folder: Path, name: str, limits: Limits) -> list[Path]:
    """Write each volume of a 4-D file as a file of its own, `<n>.nii` in `folder`, with the same header otherwise.

    name : what errors call the file ; limits : for each volume

    Raises CaseError: a code of `read_volume`. Some voxels are in memory at a time.
    """
    with errors_of(name), ExitStack() as files:
        stream = inflated(path, files)
        header, size = read_header(stream)
        count = int(header["dim"][4])
        header["dim"][0], header["dim"][4:] = 3, 1
        block = header.binaryblock
        layout = check_header(header, size, limits)
        start = block + stream.read(layout.offset - size)
        paths = [folder / f"{number}.nii" for number in range(count)]
        for target in paths:
            with target.open("wb") as file:
                file.write(start)
                _copy(stream, file, layout.size_bytes - layout.offset)
    return paths


def _copy(stream: io.BufferedReader, file: IO[bytes], size: int) -> None:
    """Copy so many bytes. Raises CaseError `truncated`."""
    while size:
        chunk = stream.read(min(size, _CHUNK))
        if not chunk:
            raise truncated()
        file.write(chunk)
        size -= len(chunk)
