"""Segments cases on the workers of a scaled-out service.

Each case is queued like an upload, and removed when its result has been fetched. A note in the result
folder holds the id of each queued case, so that a command that was interrupted goes on with them.
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

from app.commands.batch import CommandReport, Outcome, OutputFolder, file_error
from app.config import settings
from app.intake.case_inputs import CaseInput
from app.intake.files import names_of, paths_of, visible
from app.jobs import heartbeat
from app.jobs.queue_runner import queue_runner
from app.reporting.exports import dicom_files
from app.reporting.report import build
from app.reporting.schemas import Dates
from app.store import cases, removal
from app.store.data_folder import new_staging_folder
from app.store.db_errors import DATABASE_AWAY, is_database_busy
from app.store.models import StoredCase, db
from model.errors import CaseError
from model.preparation.plan import Options

log = logging.getLogger(__name__)

# Cases queued at a time for each worker, so that uploads do not wait behind thousands.
AHEAD = 2
POLL_S = 0.5
# Seconds after the start in which missing workers are not reported.
PATIENCE_S = 5.0
NOTES = ".under-way"

# Called with what is going on, and the sum of the progress of all queued cases.
Watch = Callable[[str, float], None]


@dataclass(frozen=True)
class RemoteBatch:
    """Queues cases, a few ahead of the workers, and fetches their results.

    again : do not go on with cases that an earlier call has queued
    """

    app: Flask
    output: OutputFolder
    again: bool = False

    def run(
        self, todo: list[CaseInput], fetched: list[CaseInput], watch: Watch
    ) -> Iterator[Outcome]:
        """Yield how each case ended, in the order in which they end. Needs an app context.

        fetched : those that are done already; an earlier call may have left them in the service
        """
        # Sends the messages of these cases, in case no web process is running.
        dispatcher = queue_runner(self.app)
        dispatcher.start()
        (self.output.folder / NOTES).mkdir(exist_ok=True)
        try:
            yield from self._work(list(reversed(todo)), list(fetched), watch)
        finally:
            dispatcher.stop()

    def _work(
        self, todo: list[CaseInput], fetched: list[CaseInput], watch: Watch
    ) -> Iterator[Outcome]:
        under_way: dict[str, CaseInput] = {}
        quiet_until, told = time.monotonic() + PATIENCE_S, ""
        while todo or under_way or fetched:
            quiet = time.monotonic() < quiet_until
            try:
                # Ends the transaction, in which rows would stay as they were.
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
                problem = "" if quiet else " ".join(queue_runner(self.app).obstacles())
            except sa.exc.SQLAlchemyError as error:
                if not is_database_busy(error):
                    raise
                problem, running, share = DATABASE_AWAY, 0, 0.0
            if problem not in ("", told):
                log.warning("%s", problem)
            told = problem
            watch(problem or f"{running} at work", share)
            time.sleep(POLL_S if todo or under_way or fetched else 0)

    def _put_in_next(
        self, todo: list[CaseInput], under_way: dict[str, CaseInput]
    ) -> Iterator[Outcome]:
        """Queue as many cases as the workers soon need; yield those that cannot be queued.

        A case leaves `todo` only once it is queued, so that none is lost if the database fails.
        """
        while todo and len(under_way) < AHEAD * max(1, len(heartbeat.live_workers())):
            given, error = todo[-1], None
            try:
                under_way[self._put_in(given)] = given
            except CaseError as found:
                error = found
            except OSError as found:
                error = file_error(found)
            todo.pop()
            if error:
                yield Outcome(given, "failed", error=error)

    def _fetch_ended(self, under_way: dict[str, CaseInput]) -> Iterator[Outcome]:
        """Remove the cases that have ended from those under way; yield how each ended."""
        for case_id in list(under_way):
            # Read one by one: somebody may delete a case meanwhile.
            case = db.session.get(StoredCase, case_id)
            if case is None or case.state in ("done", "failed"):
                outcome = self._fetched(under_way[case_id], case)
                del under_way[case_id]
                yield outcome

    def _put_in(self, given: CaseInput) -> str:
        """Queue a case, unless an earlier call has done so; return its id."""
        note, digest = self._note(given), given.digest()
        if known := self._under_way(given, digest):
            return known
        self._tidy(given)
        staging = new_staging_folder()
        try:
            found = given.scans(
                staging,
                settings().max_unpacked_mb * 2**20,
                self.output.prepare,
                settings().limits,
            )
            for modality, path in paths_of(found.files).items():
                shutil.copyfile(path, staging / modality)
            case_id = cases.new_id()
            # Before the case: a note without a case does no harm, a case without a note is lost.
            note.write_text(json.dumps({"case": case_id, "inputs_sha256": digest}))
            paths = {modality: staging / modality for modality in found.files}
            options, name = Options(mode=self.output.prepare), visible(given.name)
            cases.keep(
                paths,
                names_of(found.files),
                name,
                options,
                case_id=case_id,
                study=found.study,
                warnings=found.warnings,
            )
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        queue_runner(self.app).notify()
        return case_id

    def _under_way(self, given: CaseInput, digest: str) -> str | None:
        """Return the id of the case that an earlier call queued with the same scans, if it is of use."""
        known = self._noted(given)
        if self.again or known.get("inputs_sha256") != digest:
            return None
        case = db.session.get(StoredCase, known["case"])
        if case is None or case.options.mode != self.output.prepare:
            return None
        if case.record and not self.output.wants(case.record):
            return None
        return case.id

    def _fetched(self, given: CaseInput, case: StoredCase | None) -> Outcome:
        """Write the results of a case that has ended, and delete it from the service."""
        if case is None:
            error = CaseError("case_deleted", "Somebody deleted the case.", "Call again.")
        elif case.state == "failed":
            error = CaseError(**case.error)
        else:
            return self._kept(given, case)
        self._tidy(given)
        return Outcome(given, "failed", error=error)

    def _kept(self, given: CaseInput, case: StoredCase) -> Outcome:
        results, notes = case.folder.model_results, self.output.folder / NOTES
        digest = self._noted(given).get("inputs_sha256")
        dates = Dates(segmented=case.finished_at.isoformat(timespec="seconds"))
        made = build(case.record, {"name": given.name}, dates)
        prepare = case.options.mode
        report = CommandReport(**dict(made), inputs_sha256=digest, prepare=prepare)
        masks = {}
        try:
            for modality, path in ({"": results.segmentation} | results.own_grids).items():
                masks[modality] = notes / f"{given.name}_{modality}.nii.gz"
                shutil.copyfile(path, masks[modality])
            self.output.keep(given, masks, dicom_files(case, drawn=()), report)
        except OSError as error:
            # The case stays where it is, for the next call.
            return Outcome(given, "failed", error=file_error(error))
        self._tidy(given)
        return Outcome(given, "done", report)

    def _tidy(self, given: CaseInput) -> None:
        """Delete the case from the service, if it is there, and its note."""
        if known := self._noted(given):
            self._remove(known["case"])
        self._note(given).unlink(missing_ok=True)

    def _remove(self, case_id: str) -> None:
        case = db.session.get(StoredCase, case_id)
        if case is not None:
            removal.remove(case)

    def _noted(self, given: CaseInput) -> dict[str, str]:
        """Return id and hash of the scans from the note of a queued case; {} if there is none."""
        try:
            known = json.loads(self._note(given).read_text())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _note(self, given: CaseInput) -> Path:
        return self.output.folder / NOTES / given.name
