"""Time a large DICOM study from its last byte to its result, over HTTP; writes its section of benchmarks/README.md.

    python -m benchmarks.dicom CASE_DIR

CASE_DIR holds four scans with skull as NIfTI. They are resampled to 512 x 512 x 200 voxels and written as a study of
one file a slice, which is sent to a server of its own as a browser does, one part a file.
"""

import argparse
import http.client
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from benchmarks.report import DICOM, machine, write_section
from model.io.case import find_case_files
from model.io.nifti import read_volume
from model.preparation.resampling import resampled
from tests.app.serving import serving
from tests.support.dicom_study import Written, write_study
from tests.support.dicom_vendors import SEQUENCES, VENDORS

RESULTS = Path(__file__).parent / "README.md"
SHAPE = (512, 512, 200)
VENDOR = "siemens"
POLL_S = 0.2


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.dicom", description=__doc__.split("\n")[0])
    parser.add_argument("case_dir", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study"
        write_study(study, large_series(options.case_dir))
        rows = measure(study, Path(folder) / "data")
    write_section(options.out, as_markdown(rows))
    return 0


def large_series(case_dir: Path) -> list[Written]:
    """Return the four scans of a folder on grids of SHAPE over their own extent, with the headers of a vendor."""
    paths, series = find_case_files(case_dir), []
    for name, elements in VENDORS[VENDOR]:
        if name not in SEQUENCES:
            continue
        volume = read_volume(paths[name])
        scale = np.divide(volume.data.shape, SHAPE)
        # Corners of the two grids lie on each other, not centres of corner voxels.
        affine = volume.affine @ np.block(
            [[np.diag(scale), ((scale - 1) / 2)[:, None]], [np.zeros((1, 3)), 1]]
        )
        data = resampled(volume.data, volume.affine, SHAPE, affine)
        whole = np.rint(np.clip(data, 0, 32767)).astype(np.int16)
        series.append(Written(len(series) + 1, whole, affine, elements))
    return series


def measure(study: Path, data_dir: Path) -> list[tuple[str, str]]:
    """Send a study to a server on a new data folder; return what was measured, by name."""
    files = sorted(study.iterdir())
    size_mb = sum(path.stat().st_size for path in files) / 1e6
    with serving(data_dir, max_upload_mb=2048) as server:
        idle_mb = _peak_mb(server.process.pid)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
        boundary, start = uuid.uuid4().hex, time.perf_counter()
        length = sum(map(len, _body(files, boundary)))
        connection.request(
            "POST",
            "/api/cases",
            _body(files, boundary),
            {
                "Content-Type": f"multipart/form-data; boundary={boundary}",
                "Content-Length": str(length),
            },
        )
        sent = time.perf_counter()
        answer = json.loads(connection.getresponse().read())
        taken = time.perf_counter()
        case = {"state": "queued"}
        while case["state"] in ("queued", "running"):
            time.sleep(POLL_S)
            connection.request("GET", urlsplit(answer["url"]).path)
            case = json.loads(connection.getresponse().read())
        done = time.perf_counter()
        for path in ("segmentation.dcm", "report.dcm"):
            connection.request("GET", f"{answer['url']}/{path}")
            connection.getresponse().read()
        served = time.perf_counter()
        peak_mb = _peak_mb(server.process.pid)
    rows = [
        (f"sending {len(files)} files, {size_mb:.0f} MB", f"{sent - start:.1f} s"),
        (
            "last byte to accepted: series told apart, scans made and checked",
            f"{taken - sent:.1f} s",
        ),
        ("accepted to result", f"{done - taken:.1f} s"),
    ]
    rows += [(f"of these, {stage}", f"{s:.1f} s") for stage, s in case["timings_s"].items()]
    return [
        *rows,
        ("last byte to result", f"{done - sent:.1f} s"),
        ("segmentation and structured report", f"{served - done:.1f} s"),
        ("memory before", f"{idle_mb:.0f} MB"),
        ("peak memory", f"{peak_mb:.0f} MB"),
    ]


def as_markdown(rows: list[tuple[str, str]]) -> str:
    """Return the section of the page."""
    facts = "\n".join(f"- {fact}" for fact in machine())
    table = "\n".join(f"| {what} | {value} |" for what, value in rows)
    shape = " x ".join(map(str, SHAPE))
    return f"""{DICOM}

Written by `python -m benchmarks.dicom CASE_DIR`; do not edit by hand.

{facts}
- load average {os.getloadavg()[0]:.1f} at the end
- a study of four sequences of {shape} voxels with skull, one file a slice, over HTTP

| step | |
|---|---|
{table}
"""


def _body(files: list[Path], boundary: str) -> Iterator[bytes]:
    for path in files:
        yield (
            f"--{boundary}\r\nContent-Disposition: form-data; name=files; filename={path.name}\r\n"
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        yield path.read_bytes()
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _peak_mb(pid: int) -> float:
    """Return the largest resident set of a process and the processes that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    peaks = [
        int(Path(f"/proc/{one}/status").read_text().split("VmHWM:")[1].split()[0])
        for one in (str(pid), *children)
    ]
    # Linux counts in KiB.
    return sum(peaks) * 1024 / 1e6


if __name__ == "__main__":
    sys.exit(main())
