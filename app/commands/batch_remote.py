"""Cases by command, segmented by the workers of a scaled-out service.

A case is put into the service as an upload is, and taken out of it again with its result. A note beside
the results names the case of each job that is under way: a command that is cut off and called again
goes on with them.
"""

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from flask import Flask

from app.commands.batch import Job, Outcome, Results, file_error, scans_of
from app.config import settings
from app.jobs import embedded_worker, heartbeat
from app.store import cases
from app.store.db_errors import DATABASE_AWAY, is_database_busy
from app.store.mask_versions import SEGMENTATION
from app.store.models import RESULTS, StoredCase, db
from app.web.uploads import visible
from model.errors import CaseError

log = logging.getLogger(__name__)

# Cases under way for each worker: what is uploaded by others does not wait behind thousands.
AHEAD = 2
POLL_S = 0.5
# Seconds after the start in which nothing is said of what does not run yet.
PATIENCE_S = 5.0
NOTES = ".under-way"

# Told what is going on, and how many cases' worth of what is under way has been done.
Watch = Callable[[str, float], None]


@dataclass(frozen=True)
class RemoteBatch:
    """Puts jobs into the service, a few ahead of the workers, and fetches their results.

    again : leave aside what earlier calls have put in
    """

    app: Flask
    results: Results
    again: bool = False

    def run(self, todo: list[Job], fetched: list[Job], watch: Watch) -> Iterator[Outcome]:
        """Yield how each job ended, as they do. Needs an app context.

        fetched : whose results are there since earlier calls, which may have left their cases in the service
        """
        # Sends what this command queues, should no web process run.
        dispatcher = embedded_worker.worker(self.app)
        dispatcher.start()
        (self.results.folder / NOTES).mkdir(exist_ok=True)
        try:
            yield from self._work(list(reversed(todo)), list(fetched), watch)
        finally:
            dispatcher.stop()

    def _work(self, todo: list[Job], fetched: list[Job], watch: Watch) -> Iterator[Outcome]:
        under_way: dict[str, Job] = {}
        quiet_until, told = time.monotonic() + PATIENCE_S, ""
        while todo or under_way or fetched:
            quiet = time.monotonic() < quiet_until
            try:
                # Ends the transaction, which would go on seeing the rows as they were.
                db.session.rollback()
                while fetched:
                    self._tidy(fetched[-1])
                    fetched.pop()
                yield from self._put_in_next(todo, under_way)
                yield from self._fetch_ended(under_way)
                found = [db.session.get(StoredCase, case_id) for case_id in under_way]
                there = [case for case in found if case]
                running = sum(case.state == "running" for case in there)
                share = sum(case.progress for case in there)
                problem = "" if quiet else " ".join(embedded_worker.worker(self.app).obstacles())
            except sa.exc.SQLAlchemyError as error:
                if not is_database_busy(error):
                    raise
                problem, running, share = DATABASE_AWAY, 0, 0.0
            if problem not in ("", told):
                log.warning("%s", problem)
            told = problem
            watch(problem or f"{running} at work", share)
            time.sleep(POLL_S if todo or under_way or fetched else 0)

    def _put_in_next(self, todo: list[Job], under_way: dict[str, Job]) -> Iterator[Outcome]:
        """Queue as many jobs as the workers are soon ready for; yield what cannot be queued.

        A job leaves `todo` when it is in, so that none is lost with the database.
        """
        while todo and len(under_way) < AHEAD * max(1, len(heartbeat.present())):
            job, error = todo[-1], None
            try:
                under_way[self._put_in(job)] = job
            except CaseError as found:
                error = found
            except OSError as found:
                error = file_error(found)
            todo.pop()
            if error:
                yield Outcome(job, "failed", error=error)

    def _fetch_ended(self, under_way: dict[str, Job]) -> Iterator[Outcome]:
        """Take the cases that have ended out of those under way; yield how each did."""
        for case_id in list(under_way):
            # Each at its turn: somebody may delete it meanwhile.
            case = db.session.get(StoredCase, case_id)
            if case is None or case.state in ("done", "failed"):
                outcome = self._fetched(under_way[case_id], case)
                del under_way[case_id]
                yield outcome

    def _put_in(self, job: Job) -> str:
        """Queue a job, unless it is under way since an earlier call; return its case's id."""
        note, digest = self._note(job), job.digest()
        if known := self._under_way(job, digest):
            return known
        self._tidy(job)
        staging = cases.new_staging_folder()
        try:
            files = scans_of(job, staging, settings())
            for modality, file in files.items():
                shutil.copyfile(file.path, staging / modality)
            case_id = cases.new_id()
            # Before the case: a note without a case does no harm.
            note.write_text(json.dumps({"case": case_id, "inputs_sha256": digest}))
            names = {modality: file.name for modality, file in files.items()}
            paths = {modality: staging / modality for modality in files}
            cases.keep(paths, names, visible(job.name), case_id)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        embedded_worker.worker(self.app).notify()
        return case_id

    def _under_way(self, job: Job, digest: str) -> str | None:
        """Return the id of the case that an earlier call made of the same scans, if it is wanted."""
        known = self._noted(job)
        if self.again or known.get("inputs_sha256") != digest:
            return None
        case = db.session.get(StoredCase, known["case"])
        if case is None or (case.report and not self.results.wants(case.report)):
            return None
        return case.id

    def _fetched(self, job: Job, case: StoredCase | None) -> Outcome:
        """Write the results of a case that has ended, and take it out of the service."""
        if case is None:
            error = CaseError("case_deleted", "Somebody deleted the case.", "Call again.")
        elif case.state == "failed":
            error = CaseError(**case.error)
        else:
            return self._kept(job, case)
        self._tidy(job)
        return Outcome(job, "failed", error=error)

    def _kept(self, job: Job, case: StoredCase) -> Outcome:
        partial = self.results.folder / NOTES / f"{job.name}.nii.gz"
        digest = self._noted(job).get("inputs_sha256")
        report = case.report | {"case": {"name": job.name}, "inputs_sha256": digest}
        try:
            shutil.copyfile(case.folder / RESULTS / SEGMENTATION, partial)
            self.results.keep(job, partial, report)
        except OSError as error:
            # The case stays where it is, for the next call.
            return Outcome(job, "failed", error=file_error(error))
        self._tidy(job)
        return Outcome(job, "done", report)

    def _tidy(self, job: Job) -> None:
        """Take the case that a job has in the service, if any, out of it."""
        if known := self._noted(job):
            self._remove(known["case"])
        self._note(job).unlink(missing_ok=True)

    def _remove(self, case_id: str) -> None:
        case = db.session.get(StoredCase, case_id)
        if case is not None:
            cases.remove(case)

    def _noted(self, job: Job) -> dict[str, str]:
        """Return the case of a job that is under way and of which scans it is; {} if none is."""
        try:
            known = json.loads(self._note(job).read_text())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _note(self, job: Job) -> Path:
        return self.results.folder / NOTES / job.name
