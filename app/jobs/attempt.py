"""One attempt at a case: it runs the pipeline, saves the results, and notes how it ended."""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from flask import Flask, g

from app import audit
from app.analysis import pipeline
from app.analysis.record import record_of
from app.config import settings
from app.jobs import case_queue, metrics
from app.reporting import rendering
from app.store.data_folder import new_staging_folder
from app.store.db_errors import is_database_busy, is_disk_full
from app.store.models import StoredCase, db
from app.store.results import NewResults, write_results
from model.errors import CaseError

log = logging.getLogger(__name__)

# The progress of a case is written to the database at most this often, in seconds.
PROGRESS_S = 0.2


class CaseGone(Exception):
    """The case was deleted during the attempt, or another attempt has begun."""


class Stopped(Exception):
    """The server is stopping; the case goes back into the queue."""


class TooLong(Exception):
    """The case takes longer than it may."""


class CaseRunner:
    """Runs cases in the calling thread.

    stop : when set, ends the running attempt; its case goes back into the queue
    limit_s : longest attempt, in seconds; None: no limit
    on_progress : called again and again during an attempt, from any thread
    """

    def __init__(
        self,
        app: Flask,
        stop: threading.Event,
        limit_s: float | None = None,
        on_progress: Callable[[], None] = lambda: None,
    ):
        self._app, self._stop, self._limit_s = app, stop, limit_s
        self._on_progress = on_progress

    def run(self, case: StoredCase) -> str:
        """Run a case that has been taken; return in a word how it ended. Needs an app context.

        If even the end cannot be written, raises the error of the database, for which
        `is_database_busy` is true. The row then looks like that of an interrupted attempt.
        """
        # What is logged from here on names the case.
        g.case_id = case.id
        start = time.monotonic()
        log.info("case %s: started, attempt %d", case.id, case.attempts)
        outcome = self._outcome(case)
        metrics.case_ended(self._app, outcome)
        audit.write("segment", case.id, outcome)
        log.info("case %s: %s after %.1f s", case.id, outcome, time.monotonic() - start)
        return outcome

    def _outcome(self, case: StoredCase) -> str:
        """Segment one case and write how it ended into its row; return that in a word."""
        try:
            with _work_folder() as work:
                self._segment(case, work)
            return "done"
        except CaseError as error:
            return case_queue.fail(case, error.as_dict())
        except CaseGone:
            return "deleted"
        except Stopped:
            case_queue.hand_back(case)
            return "handed back"
        except TooLong:
            return case_queue.postpone(case, case_queue.TOO_LONG)
        except MemoryError:
            return case_queue.postpone(case, case_queue.NO_MEMORY)
        except Exception as error:
            # A failed write leaves a transaction in which the next would fail, too.
            db.session.rollback()
            if is_disk_full(error):
                return case_queue.postpone(case, case_queue.DISK_FULL)
            if is_database_busy(error):
                return case_queue.postpone(case, case_queue.NO_DATABASE)
            outcome = case_queue.fail(case, case_queue.INTERNAL)
            # Reading the scans of a case that has just been deleted is no error.
            if outcome != "deleted":
                log.exception("case %s: unforeseen error", case.id)
            return outcome

    def _segment(self, case: StoredCase, work: Path) -> None:
        """Run the pipeline. Results are written in `work`, then moved; the row is updated last."""
        start, segmenter = time.monotonic(), self._app.extensions["model"].get()
        progress = self._reporter(case)
        progress("load", 0.0)
        loaded = pipeline.load(
            case.scans,
            names=case.modalities,
            limits=settings().limits,
            drawn_brain=case.folder.drawn_brain,
            origin=case.origin,
            warnings=case.intake_warnings,
        )
        analysis = pipeline.analyse(segmenter, loaded, case.options, progress=progress)
        progress("save", 1.0)
        convention = settings().label_convention
        found = analysis.segmentation
        made = NewResults(
            analysis.case, found.labels, found.confidence, found.brain, analysis.on_other_grids
        )
        write_results(work, made, convention, rendering.to_display)
        record = record_of(analysis, segmenter.card, convention, case.modalities)
        if not case_queue.finish(case, record, partial(case.folder.publish, work)):
            raise CaseGone
        metrics.case_done(self._app, case, record, time.monotonic() - start)

    def _reporter(self, case: StoredCase) -> pipeline.Progress:
        """Return a function that writes progress to the row, and ends the attempt when it must stop.

        It does so by an exception, raised only in the thread that calls this method: threads of the
        engine call it, too, and must not see one.
        """
        owner, start, warned = threading.get_ident(), time.monotonic(), False
        last_stage, last_time = "", 0.0
        unwanted: type[Exception] | None = None

        def report_progress(stage: str, fraction: float) -> None:
            nonlocal last_stage, last_time, unwanted, warned
            self._on_progress()
            now = time.monotonic()
            if self._stop.is_set():
                unwanted = Stopped
            elif self._limit_s is not None and now - start > self._limit_s:
                unwanted = TooLong
            elif stage != last_stage or now - last_time >= PROGRESS_S:
                last_stage, last_time = stage, now
                counts = self._note(case, stage, fraction)
                if counts is None and not warned:
                    log.warning("case %s: progress could not be written", case.id)
                warned |= counts is None
                if counts is False:
                    unwanted = CaseGone
            if unwanted and threading.get_ident() == owner:
                raise unwanted

        return report_progress

    def _note(self, case: StoredCase, stage: str, fraction: float) -> bool | None:
        """Write the progress of a case; return whether this attempt still counts, None if unknown."""
        try:
            with self._app.app_context():
                return case_queue.write(case, stage=stage, progress=round(float(fraction), 4))
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError):
            return None


@contextmanager
def _work_folder() -> Iterator[Path]:
    """Make a folder to write results in; what is left of it at the end is deleted."""
    folder = new_staging_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
