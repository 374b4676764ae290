"""The queue: one background thread takes the oldest case from the database, one at a time.

The queue is the `cases` table itself, so a restart goes on where the last process stopped.
"""

import atexit
import logging
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from flask import Flask

from app import audit, cases, metrics, overlay, pipeline, queue, report, storage
from app.cases import StoredCase, db
from app.config import settings
from app.errors import is_disk_full
from app.lock import FolderLock
from model.errors import CaseError
from model.labels import to_file_values
from model.nifti import write_mask

log = logging.getLogger(__name__)

# Seconds between looks at the clock for retention, and before a case is tried again for which there
# was no room.
TICK_S = 5.0
# The progress of a case is written to the database at most this often, in seconds.
PROGRESS_S = 0.2


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
        self._lock = FolderLock(app.config["SETTINGS"].data_dir / ".lock")
        # Whether it has put in order what the last process left.
        self.ready = False

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def claim(self) -> None:
        """Keep other processes off the data folder. Raises StartupError if one works on it."""
        self._lock.acquire()

    def start(self) -> None:
        """Start the thread; a second call does nothing. Raises StartupError as `claim` does."""
        if self.alive:
            return
        self.claim()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="cases", daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the thread; a case that is being worked on goes back into the queue."""
        self.halt()
        if self._thread is not None:
            self._thread.join(timeout_s)
        atexit.unregister(self.stop)

    def halt(self) -> None:
        """Take no further case, and hand back the one that is being worked on; do not wait."""
        self._stop.set()
        self._wake.set()

    def notify(self) -> None:
        """Say that a case has been queued."""
        self._wake.set()

    def run_next(self) -> bool:
        """Run the oldest queued case; return whether it makes sense to go on with the next at once.

        Needs an app context.
        """
        case = queue.take_oldest()
        if case is None:
            return False
        start = time.monotonic()
        log.info("case %s: started, attempt %d", case.id, case.attempts)
        outcome = self._outcome(case)
        seconds = time.monotonic() - start
        metrics.case_ended(self._app, outcome, seconds)
        audit.write("segment", case.id, outcome)
        log.info("case %s: %s after %.1f s", case.id, outcome, seconds)
        return outcome != "postponed"

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._wake.clear()
                if not self._turn() and not self._stop.is_set():
                    self._wake.wait(TICK_S)
        finally:
            self.ready = False
            self._lock.release()

    def _turn(self) -> bool:
        """Do what there is to do now; return whether there may be more."""
        try:
            with self._app.app_context():
                # Nothing else runs cases here: what is marked as running was cut short.
                queue.recover()
                if not self.ready:
                    storage.remove_leftovers(self._started_at)
                    self.ready = True
                cases.remove_expired()
                return self.run_next()
        except Exception:
            # A database that is away for a moment must not end the queue.
            log.exception("the queue stumbled")
            return False

    def _outcome(self, case: StoredCase) -> str:
        """Segment one case and write down how that ended; return it in a word."""
        try:
            with _work_folder() as work:
                self._segment(case, work)
            return "done"
        except CaseError as error:
            return queue.fail(case.id, error.as_dict())
        except CaseGone:
            return "deleted"
        except Stopped:
            queue.write(case.id, state="queued", stage="queued", attempts=StoredCase.attempts - 1)
            return "handed back"
        except MemoryError:
            return queue.postpone(case, queue.NO_MEMORY)
        except Exception as error:
            # What stopped a write to the database stands in the way of the next.
            db.session.rollback()
            if is_disk_full(error):
                return queue.postpone(case, queue.DISK_FULL)
            outcome = queue.fail(case.id, queue.INTERNAL)
            # Reading the scans of a case that has just been deleted is no error.
            if outcome != "deleted":
                log.exception("case %s: unforeseen error", case.id)
            return outcome

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
        if not queue.write(case.id, state="done", report=done, error=None):
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
                return queue.write(case_id, stage=stage, progress=round(float(fraction), 4))
        except sa.exc.OperationalError:
            log.warning("case %s: progress could not be written", case_id)
            return True


@contextmanager
def _work_folder() -> Iterator[Path]:
    """Make a folder for results in the making; whatever is left of it goes away."""
    folder = cases.new_staging_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(work: Path, folder: Path) -> None:
    """Move finished results into the case's folder. Raises CaseGone if it has been deleted."""
    results = folder / "results"
    # A crash between this move and the row's update leaves results that nobody has seen.
    shutil.rmtree(results, ignore_errors=True)
    try:
        work.rename(results)
    except FileNotFoundError as error:
        raise CaseGone from error
