"""Scans are read and checked completely before a case is made of them."""

import threading
from collections.abc import Mapping

from app.intake.files import ScanFile, names_of, paths_of
from model.io.case import require_one_grid
from model.io.nifti_header import Limits
from model.io.scans import read_scans
from model.preparation.plan import Mode

# A check holds four volumes in memory: one at a time, however many threads serve.
one_at_a_time = threading.Lock()


def check_scans(files: Mapping[str, ScanFile], mode: Mode, limits: Limits) -> None:
    """Read the scans of a case by modality. Raises CaseError as `read_scans` does.

    Also `grid_mismatch` where grids differ and nothing may be prepared. To be called with `one_at_a_time` held.
    """
    scans = read_scans(paths_of(files), names=names_of(files), limits=limits)
    if mode == "never":
        require_one_grid(scans)
