"""Sends results to archives: each delivery that is due, one at a time."""

import logging

from flask import Flask, g

from app import audit
from app.config import settings
from app.config_dicom import DicomArchive, WebArchive
from app.dicom_node.archives import NotSent, store, store_by_web
from app.errors import NotFound, NotReady
from app.jobs.folder_lock import FolderLock
from app.jobs.polling_thread import PollingThread
from app.reporting.drawn import drawn_of
from app.store import deliveries, mask_versions
from app.store.models import Delivery, StoredCase, db

log = logging.getLogger(__name__)

NOT_CONFIGURED = "The archive is no longer among the settings."
UNFORESEEN = "Something went wrong; the server's log says more."


class SendingThread(PollingThread):
    """Sends what is due."""

    name = "archive"

    def __init__(self, app: Flask):
        super().__init__(app)
        self._lock = FolderLock(app.config["SETTINGS"].data_dir / ".archive.lock")

    def release(self) -> None:
        self._lock.release()

    def poll(self) -> bool:
        return self._lock.acquire_if_free() and send_next()


def send_next() -> bool:
    """Try the delivery that is due next; return whether there was one. Needs an app context."""
    row = deliveries.take_due()
    if row is None:
        return False
    g.case_id = row.case_id
    state = _outcome(row)
    audit.write("send", row.case_id, state)
    log.info("case %s: results for an archive, attempt %d: %s", row.case_id, row.attempts, state)
    g.pop("case_id", None)
    return True


def _outcome(row: Delivery) -> str:
    """Make one attempt and note how it ended; return the state of the delivery."""
    archive = next((one for one in settings().archives if one.name == row.target), None)
    case = db.session.get(StoredCase, row.case_id)
    if archive is None or case is None:
        return deliveries.not_sent(row, NOT_CONFIGURED, final=True)
    try:
        _send(case, row.mask, archive)
    except NotSent as error:
        return deliveries.not_sent(row, str(error))
    except (NotReady, NotFound) as error:
        return deliveries.not_sent(row, error.message, final=True)
    except Exception:
        db.session.rollback()
        db.session.expire_all()
        if db.session.get(StoredCase, row.case_id) is None:
            return "deleted"
        log.exception("case %s: unforeseen error", row.case_id)
        return deliveries.not_sent(row, UNFORESEEN)
    deliveries.sent(row)
    return "sent"


def _send(case: StoredCase, number: int, archive: DicomArchive | WebArchive) -> None:
    """Send segmentation and report of a version of the mask. Raises NotSent, NotReady and NotFound."""
    # Imported here: highdicom takes a second of the start.
    from app.reporting.dicom_results import results_of

    mask = mask_versions.find(case, number)
    made = results_of(case, mask, drawn_of(case, settings().limits))
    datasets = [made.seg, made.sr]
    if isinstance(archive, DicomArchive):
        store(datasets, archive, settings().dicom_ae_title)
    else:
        store_by_web(datasets, archive)
