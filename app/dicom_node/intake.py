"""A received study made into a case: queued, waiting for a person, or failed; each is seen in the worklist."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from flask import g

from app import audit
from app.config import settings
from app.dicom_node.spool import RESULT, Spool
from app.intake import study_case
from app.intake.checked import one_at_a_time
from app.intake.files import names_of, paths_of
from app.intake.study_case import Examined
from app.jobs import case_queue
from app.store import cases
from app.store.data_folder import new_staging_folder
from app.store.db_errors import is_database_busy, is_disk_full
from app.store.models import StoredCase, db
from model.errors import CaseError
from model.io.dicom import values
from model.io.dicom.files import read_header
from model.io.dicom.series import Series
from model.io.modalities import MODALITIES, MOST_MISSING
from model.preparation.plan import Options

log = logging.getLogger(__name__)

# A study with a less sure guess among the chosen series waits for a person.
LEAST_SURE = 0.6


def take_in(spool: Spool, name: str) -> StoredCase | None:
    """Make a case of a complete study and delete what was received.

    None if it has to wait, or if there is a case of it: an archive that forwards what it gets sends a study back
    once it has our results, and would be sent results again without end. Killed anywhere, it can be called again: there will be one case. Needs an app context.
    """
    if cases.was_received(name) or _came_back(spool.path(name)):
        spool.remove(name)
        return None
    if _is_full():
        return None
    tries = spool.count_try(name)
    try:
        if tries > case_queue.MAX_ATTEMPTS:
            case = cases.keep_failed(case_queue.GAVE_UP, _options(), name)
        else:
            case = make_case(spool.path(name), name)
    except MemoryError:
        log.error("a received study needs more memory than there is")
        return None
    except Exception as error:
        db.session.rollback()
        if is_disk_full(error) or is_database_busy(error):
            spool.forget_try(name)
            raise
        log.exception("a received study: unforeseen error")
        case = cases.keep_failed(case_queue.INTERNAL, _options(), name)
    log.info("case %s: received, %s", case.id, case.state)
    audit.write("receive", case.id, case.state)
    spool.remove(name)
    g.pop("case_id", None)
    return case


def make_case(folder: Path, received: str) -> StoredCase:
    """Make a case of a folder of DICOM files, which stays as it is.

    received : see StoredCase
    """
    options, limits = _options(), settings().limits
    with one_at_a_time, _staging() as staging:
        examined = made = None
        try:
            examined = study_case.examine(folder, limits)
            chosen = examined.chosen() if _is_sure(examined) else None
            if chosen:
                made = study_case.write_scans(examined, chosen, staging, options.mode)
        except CaseError as error:
            if examined is None or error.code != "missing_modality" or not _can_be_chosen(examined):
                study = examined and study_case.record_of(examined)
                return cases.keep_failed(error.as_dict(), options, received, study)
        study = study_case.record_of(examined, made)
        if made:
            return cases.keep(
                paths_of(made.files),
                names_of(made.files),
                "",
                options,
                study=study,
                received=received,
            )
        copy = staging / "study"
        # Moving it would lose it if the process ended before there is a row.
        shutil.copytree(folder, copy, copy_function=_linked)
        return cases.keep_unconfirmed(copy, "", options, study, received=received)


def _came_back(folder: Path) -> bool:
    """Say whether a study holds results of this server, and nothing else or images of which a case is done."""
    paths = list(folder.iterdir())
    results = [path for path in paths if path.suffix == RESULT]
    if results and len(results) < len(paths):
        study = values.uid(read_header(results[0]).dataset, "StudyInstanceUID")
        results = results if cases.is_done(study) else []
    if results:
        log.info("results of this server came back from an archive; they are no new case")
    return bool(results)


def _options() -> Options:
    return Options(mode=settings().prepare)


def _is_full() -> bool:
    """Say whether as many cases wait as may."""
    waiting = sa.select(sa.func.count()).where(StoredCase.state == "queued")
    return db.session.scalar(waiting) >= settings().max_queued


def _is_sure(examined: Examined) -> bool:
    """Say whether no guess among the series that would be taken is doubtful."""
    choice = examined.choice
    return all(choice.guesses[one.key].confidence >= LEAST_SURE for one in choice.chosen.values())


def _can_be_chosen(examined: Examined) -> bool:
    """Say whether there are enough volumes for a person to choose from."""
    readable = [one for one in examined.study.series if _is_volume(one)]
    return len(readable) >= len(MODALITIES) - MOST_MISSING


def _is_volume(series: Series) -> bool:
    return series.grid is not None and not series.problems


def _linked(source: str, target: str) -> None:
    """Give a file a second name; copy it where the disk knows no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@contextmanager
def _staging() -> Iterator[Path]:
    """Make a folder for what is being made; what is left of it at the end is deleted."""
    folder = new_staging_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
