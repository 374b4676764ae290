"""Whole volumes that are read at the same time stay within the memory that is set for them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from model.io.nifti import write_scan

SHAPE = (480, 480, 155)
# float32, as a scan is read.
SCAN_MB = np.prod(SHAPE) * 4 / 2**20


def peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**10


def test_eight_whole_volumes_at_once(make_app, parts):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of memory cannot be asked for")
    app = make_app(max_heavy_mb=400)
    client = app.test_client()
    case_id = client.post("/api/cases", data=parts).json["id"]
    with app.app_context():
        app.extensions["queue"].run_next()
    scan = app.config["SETTINGS"].data_dir / "cases" / case_id / "scans" / "t1"
    values = np.zeros(SHAPE, np.int16)
    values[::3] = 7
    write_scan(scan.with_suffix(".nii.gz"), values, np.diag([0.3, 0.3, 0.5, 1]))
    scan.with_suffix(".nii.gz").replace(scan)

    def read(_: int) -> int:
        with app.test_client().get(f"/api/cases/{case_id}/volumes/t1.nii.gz") as answer:
            return answer.status_code

    read(0)
    # From here on.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_mb()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(8))) == [200] * 8
    # Two at a time, and what their threads need besides; eight would be more than 1,000 MB.
    assert peak_mb() - before < 2 * SCAN_MB + 200
