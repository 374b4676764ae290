"""The queue: one background thread takes the oldest case from the database, one at a time.

The queue is the `cases` table itself, so a restart goes on where the last process stopped.
"""

import atexit
import fcntl
import logging
import shutil
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa
from flask import Flask

from app import cases, metrics, overlay, pipeline, report
from app.cases import StoredCase, db
from app.config import settings
from model.errors import CaseError
from model.labels import to_file_values
from model.nifti import write_mask

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
# Seconds between looks at the clock for retention, and at the lock of another process.
TICK_S = 5.0
# The progress of a case is written to the database at most this often, in seconds.
PROGRESS_S = 0.2

GAVE_UP = {
    "code": "gave_up",
    "message": f"The server stopped {MAX_ATTEMPTS} times while it worked on this case.",
    "hint": "The scans may be too large for its memory. Resample them to 1 mm, or ask whoever "
    "runs the server to look at its log.",
}
INTERNAL = {
    "code": "internal_error",
    "message": "Something went wrong while this case was being segmented.",
    "hint": "Ask whoever runs the server to look at its log for this case.",
}


class CaseGone(Exception):
    """The case was deleted while it was being worked on."""


class Stopped(Exception):
    """The server is stopping; the case goes back into the queue."""


def init_app(app: Flask) -> None:
    app.extensions["worker"] = Worker(app)


def worker(app: Flask) -> "Worker":
    """Return the worker of an app."""
    return app.extensions["worker"]


class Worker:
    """Runs queued cases in a thread of this process."""

    def __init__(self, app: Flask):
        self._app = app
        self._thread: threading.Thread | None = None
        self._wake, self._stop = threading.Event(), threading.Event()
        self._started_at = datetime.now(UTC)
        # "starting", "waiting" while another process works on the data folder, then "working".
        self.state = "stopped"

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; a second call does nothing."""
        if self.alive:
            return
        self._stop.clear()
        self.state = "starting"
        self._thread = threading.Thread(target=self._run, name="cases", daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the thread; a case that is being worked on goes back into the queue."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        atexit.unregister(self.stop)

    def notify(self) -> None:
        """Say that a case has been queued."""
        self._wake.set()

    def run_next(self) -> bool:
        """Run the oldest queued case; return whether there was one. Needs an app context."""
        case = _take_oldest()
        if case is None:
            return False
        start = time.monotonic()
        log.info("case %s: started, attempt %d", case.id, case.attempts)
        outcome = self._outcome(case)
        seconds = time.monotonic() - start
        metrics.case_ended(self._app, outcome, seconds)
        log.info("case %s: %s after %.1f s", case.id, outcome, seconds)
        return True

    def _run(self) -> None:
        lock_file = self._app.config["SETTINGS"].data_dir / ".lock"
        with lock_file.open("w") as lock:
            if not self._acquire(lock):
                return
            with self._app.app_context():
                recover()
                cases.remove_leftovers(self._started_at)
            self.state = "working"
            while not self._stop.is_set():
                self._wake.clear()
                if not self._turn() and not self._stop.is_set():
                    self._wake.wait(TICK_S)

    def _turn(self) -> bool:
        """Do what there is to do now; return whether there may be more."""
        try:
            with self._app.app_context():
                cases.remove_expired()
                return self.run_next()
        except Exception:
            # A database that is away for a moment must not end the queue.
            log.exception("the queue stumbled")
            return False

    def _acquire(self, lock: IO[str]) -> bool:
        """Wait until no other process works on this data folder; False when told to stop."""
        while not self._stop.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self.state = "waiting"
                self._stop.wait(0.5)
            else:
                self.state = "starting"
                return True
        return False

    def _outcome(self, case: StoredCase) -> str:
        """Segment one case and write down how that ended; return it in a word."""
        work = cases.new_staging_folder()
        try:
            self._segment(case, work)
            return "done"
        except CaseError as error:
            return _fail(case.id, error.as_dict())
        except CaseGone:
            return "deleted"
        except Stopped:
            _write(case.id, state="queued", stage="queued", attempts=StoredCase.attempts - 1)
            return "handed back"
        except Exception:
            outcome = _fail(case.id, INTERNAL)
            # Reading the scans of a case that has just been deleted is no error.
            if outcome != "deleted":
                log.exception("case %s: unforeseen error", case.id)
            return outcome
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _segment(self, case: StoredCase, work: Path) -> None:
        """Run the pipeline; results are written in `work`, then moved, the row comes last."""
        segmenter = self._app.extensions["model"].get()
        progress = self._reporter(case.id)
        analysis = pipeline.analyse(
            segmenter,
            case.scans,
            names=case.modalities,
            limits=settings().limits,
            progress=progress,
        )
        progress("save", 1.0)
        segmentation, convention = analysis.segmentation, settings().label_convention
        values = to_file_values(segmentation.labels, convention)
        write_mask(work / "segmentation.nii.gz", values, segmentation.affine)
        overlay.save_volumes(work, analysis.case, segmentation.labels, segmentation.confidence)
        _publish(work, case.folder)
        who = {"id": case.id, "name": case.name}
        done = report.build(analysis, segmenter, convention, case.modalities, who)
        if not _write(case.id, state="done", report=done, error=None):
            raise CaseGone

    def _reporter(self, case_id: str) -> pipeline.Progress:
        """Return what writes progress to the row, and ends the work when it is not wanted.

        The engine may call from threads of its own, which must not see an exception; the work
        then ends at the next call from the thread that this was made in.
        """
        owner = threading.get_ident()
        last_stage, last_time = "", 0.0
        unwanted: type[Exception] | None = None

        def report_progress(stage: str, fraction: float) -> None:
            nonlocal last_stage, last_time, unwanted
            if self._stop.is_set():
                unwanted = Stopped
            elif stage != last_stage or time.monotonic() - last_time >= PROGRESS_S:
                last_stage, last_time = stage, time.monotonic()
                if not self._note(case_id, stage, fraction):
                    unwanted = CaseGone
            if unwanted and threading.get_ident() == owner:
                raise unwanted

        return report_progress

    def _note(self, case_id: str, stage: str, fraction: float) -> bool:
        """Write down how far a case is; return whether it still exists."""
        try:
            with self._app.app_context():
                return _write(case_id, stage=stage, progress=round(float(fraction), 4))
        except sa.exc.OperationalError:
            log.warning("case %s: progress could not be written", case_id)
            return True


def recover() -> None:
    """Queue again what the last process left running; give up what failed too often."""
    left = sa.update(StoredCase).where(StoredCase.state == "running")
    gave_up = left.where(StoredCase.attempts >= MAX_ATTEMPTS)
    now = datetime.now(UTC)
    db.session.execute(gave_up.values(state="failed", stage="", error=GAVE_UP, finished_at=now))
    db.session.execute(left.values(state="queued", stage="queued", progress=0.0))
    db.session.commit()


def _take_oldest() -> StoredCase | None:
    """Mark the next case as running and return it, detached from the session.

    Cases that have failed before come last, so that one that kills the server blocks no other.
    """
    queued = sa.select(StoredCase).where(StoredCase.state == "queued")
    case = db.session.scalars(
        queued.order_by(StoredCase.attempts, StoredCase.created_at).limit(1)
    ).first()
    if case is None:
        return None
    case.state, case.stage, case.progress = "running", "load", 0.0
    case.attempts += 1
    case.started_at = datetime.now(UTC)
    db.session.commit()
    db.session.refresh(case)
    db.session.expunge(case)
    # Ends the transaction of the refresh: none stays open while the case is being worked on.
    db.session.commit()
    return case


def _write(case_id: str, **values: Any) -> bool:
    """Update a case; return whether it still exists."""
    if values.get("state") in ("done", "failed"):
        values |= {"stage": "", "progress": 1.0, "finished_at": datetime.now(UTC)}
    changed = db.session.execute(
        sa.update(StoredCase).where(StoredCase.id == case_id).values(**values)
    )
    db.session.commit()
    return changed.rowcount > 0


def _fail(case_id: str, error: dict[str, str]) -> str:
    return "failed" if _write(case_id, state="failed", error=error) else "deleted"


def _publish(work: Path, folder: Path) -> None:
    """Move finished results into the case's folder. Raises CaseGone if it has been deleted."""
    results = folder / "results"
    # A crash between this move and the row's update leaves results that nobody has seen.
    shutil.rmtree(results, ignore_errors=True)
    try:
        work.rename(results)
    except FileNotFoundError as error:
        raise CaseGone from error
