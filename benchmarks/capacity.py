"""Measure each part of a scaled-out service on this machine, and write docs/capacity.md.

    python -m benchmarks.capacity [--cases 6] [--broker redis]

One and two workers are loaded with cases of BraTS size, then once more while `wrk` reads pages; web,
broker, database and disk are measured one by one.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from app import config, create_app
from app.jobs import case_queue, celery_app
from app.store import cases, database
from app.store.models import StoredCase, db
from benchmarks.capacity_page import READ_S, Capacity, Latency, as_markdown
from benchmarks.report import machine
from benchmarks.serving import write_brats_sized_case
from model.io.case import find_case_files
from tests import services
from tests.scale.fleet import Fleet, running

PAGE = Path(__file__).parents[1] / "docs" / "capacity.md"
MESSAGES = 2000
ROWS = 200
# A run of some seconds writes its progress about so often.
PROGRESS_WRITES = 20
DISK_BYTES = 2**29
PATIENCE_S = 1200
# Readers that ask at once.
READERS = 2
# Cases for each worker that outlast the readers.
BUSY = 15
MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def measure(broker_name: str, count: int) -> Capacity:
    """Return what was measured, with `count` cases for each worker."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scans = find_case_files(write_brats_sized_case(folder / "scans"))
        rates, latencies = {}, {}
        for workers in (1, 2):
            place = folder / str(workers)
            place.mkdir()
            with running(place, broker_name, workers, disk_reserve_mb=1) as fleet:
                rates[workers], latencies[workers] = _load(fleet, scans, workers * count)
                if workers == 2:
                    parts = _parts(fleet, scans, folder)
        return Capacity(rates, latencies, **parts)


def _load(fleet: Fleet, scans: dict[str, Path], count: int) -> tuple[float, list[Latency]]:
    """Return cases an hour, and how long readers wait for pages while workers are busy."""
    # The first case of each worker warms it up, and gives the readers something to read.
    for _ in fleet.workers:
        fleet.upload(scans)
    fleet.until(lambda: _done(fleet), PATIENCE_S)
    warm = next(iter(fleet.states()))
    for _ in range(count):
        fleet.upload(scans)
    fleet.until(lambda: _done(fleet), PATIENCE_S)
    rows = fleet.rows(
        f"SELECT started_at, finished_at FROM cases ORDER BY created_at DESC LIMIT {count}"
    )
    seconds = (max(end for _, end in rows) - min(start for start, _ in rows)).total_seconds()
    for _ in range(BUSY * len(fleet.workers)):
        fleet.upload(scans)
    latencies = _latencies(fleet, warm)
    if _done(fleet):
        raise SystemExit("The workers had nothing left to do while pages were read.")
    fleet.until(lambda: _done(fleet), PATIENCE_S)
    return 3600 * count / seconds, latencies


def _done(fleet: Fleet) -> bool:
    return set(fleet.states().values()) == {"done"}


def _latencies(fleet: Fleet, case_id: str) -> list[Latency]:
    """Return how long the pages of a case take under the load of `wrk`."""
    paths = {
        "worklist": "/",
        "case page": f"/cases/{case_id}",
        "state of a case": f"/api/cases/{case_id}",
        "slice": f"/api/cases/{case_id}/overlay/axial/80.png",
        "mask": f"/api/cases/{case_id}/segmentation.nii.gz",
    }
    return [
        _latency(what, f"http://127.0.0.1:{fleet.server.port}{path}")
        for what, path in paths.items()
    ]


def _latency(what: str, url: str) -> Latency:
    command = ["wrk", "--threads=1", f"--connections={READERS}", f"--duration={READ_S}s"]
    done = subprocess.run(
        [*command, "--latency", url], check=True, capture_output=True, text=True
    ).stdout
    if "Non-2xx" in done:
        raise SystemExit(f"{what} was refused:\n{done}")
    shares = re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", done)
    p50, p99 = (float(number) * MS[unit] for _, number, unit in shares)
    return Latency(what, p50, p99, float(re.search(r"Requests/sec:\s+([\d.]+)", done)[1]))


def _parts(fleet: Fleet, scans: dict[str, Path], folder: Path) -> dict[str, float]:
    """Measure what surrounds the workers, while they stand still."""
    size = sum(path.stat().st_size for path in fleet.data_dir.rglob("*") if path.is_file())
    case_bytes = size / len(fleet.states())
    fleet.pause()
    try:
        upload_s = _seconds(lambda: fleet.upload(scans), 6)
    finally:
        fleet.pause(signal.SIGCONT)
    fleet.until(lambda: _done(fleet), PATIENCE_S)
    for worker in fleet.workers:
        worker.process.terminate()
        worker.process.wait(60)
    fleet.workers.clear()
    return {
        "case_bytes": case_bytes,
        "upload_bytes": sum(path.stat().st_size for path in scans.values()),
        "upload_s": upload_s,
        "message_s": _message_s(fleet),
        "row_s": _row_s(fleet),
        "disk_bytes_s": _disk_bytes_s(folder),
    }


def _seconds(action: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        action()
    return (time.perf_counter() - start) / times


def _message_s(fleet: Fleet) -> float:
    """Return the seconds of sending, fetching and confirming a message, one client alone."""
    celery = celery_app.make(config.load_settings(fleet.settings))
    with celery.connection_for_write() as connection:
        queued = connection.SimpleQueue("bts-capacity", serializer="json")

        def there_and_back() -> None:
            queued.put({"case": "0" * 32})
            queued.get(timeout=10).ack()

        try:
            return _seconds(there_and_back, MESSAGES)
        finally:
            queued.queue.delete()
            queued.close()


def _row_s(fleet: Fleet) -> float:
    """Return the seconds that the database takes for one case from upload to result."""
    app = create_app(fleet.settings | {"data_dir": fleet.data_dir}, serve=False)
    with app.app_context():
        database.prepare(app)
        record = db.session.scalars(sa.select(StoredCase.record)).first()

        def live() -> None:
            case_id, sent_at = cases.new_id(), datetime.now(UTC)
            fields = {"name": "a case", "stage": "queued", "modalities": record.modalities}
            db.session.add(
                StoredCase(
                    id=case_id, state="queued", created_at=sent_at, sent_at=sent_at, **fields
                )
            )
            db.session.commit()
            case = case_queue.take(case_id, sent_at, redelivered=False)
            for step in range(PROGRESS_WRITES):
                case_queue.write(case, stage="inference", progress=step / PROGRESS_WRITES)
            case_queue.finish(case, record, lambda: None)

        try:
            return _seconds(live, ROWS)
        finally:
            db.session.remove()
            db.engine.dispose()


def _disk_bytes_s(folder: Path) -> float:
    """Return how fast the disk takes a file, until it is really there."""
    block, path = os.urandom(2**20), folder / "block"

    def write() -> None:
        with path.open("wb") as file:
            for _ in range(DISK_BYTES // len(block)):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())

    return DISK_BYTES / _seconds(write, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=6, help="cases for each worker")
    parser.add_argument("--broker", choices=services.BROKERS, default="redis")
    parser.add_argument("--out", type=Path, default=PAGE)
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed; Debian has it as a package of that name")
    load = os.getloadavg()[0]
    found = measure(arguments.broker, arguments.cases)
    page = as_markdown(found, machine(), load, arguments.broker)
    arguments.out.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
