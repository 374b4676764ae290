"""The node's threads: one receives studies and makes cases of them, one sends results.

Each works in one process of those that share a data folder: in whichever has its lock. When that process ends,
another one takes over.
"""

import logging
from collections.abc import Iterator

from flask import Flask

from app.dicom_node import intake
from app.dicom_node.spool import Spool
from app.jobs.folder_lock import FolderLock
from app.jobs.polling_thread import PollingThread
from app.jobs.queue_runner import queue_runner
from app.store import cases
from app.store.data_folder import INCOMING
from app.store.db_errors import is_disk_full

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    app.extensions["dicom_node"] = DicomNode(app)


class DicomNode:
    """What the settings ask for: a receiver, a sender, both or neither."""

    def __init__(self, app: Flask):
        settings = app.config["SETTINGS"]
        self._threads: list[PollingThread] = []
        if settings.dicom_port:
            self._threads.append(ReceivingThread(app))
        if settings.archives:
            # Imported here, as the receiver below: most servers do without.
            from app.dicom_node.sender import SendingThread

            self._threads.append(SendingThread(app))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def halt(self) -> None:
        """Tell the threads to end; do not wait."""
        for thread in self._threads:
            thread.halt()

    def stop(self) -> None:
        """End the threads, and wait for that."""
        for thread in self._threads:
            thread.stop()

    def notify(self) -> None:
        """Say that there is something to do."""
        for thread in self._threads:
            thread.notify()

    def obstacles(self) -> Iterator[str]:
        """Yield what keeps studies from being received, or results from being sent, as sentences."""
        for thread in self._threads:
            yield from thread.obstacles()


class ReceivingThread(PollingThread):
    """Keeps the port open, and makes cases of the studies that are complete."""

    name = "dicom"

    def __init__(self, app: Flask):
        from app.dicom_node.receiver import Limits, Receiver

        super().__init__(app)
        settings = app.config["SETTINGS"]
        self._lock = FolderLock(settings.data_dir / ".dicom.lock")
        self._spool = Spool(settings.data_dir.resolve() / INCOMING)
        limits = Limits.of(settings.max_voxels, settings.disk_reserve_mb)
        self.receiver = Receiver(settings.dicom_ae_title, settings.senders, self._spool, limits)
        self._address = settings.dicom_host, settings.dicom_port
        self._trouble = ""

    def obstacles(self) -> Iterator[str]:
        if self._trouble:
            yield self._trouble

    def release(self) -> None:
        self.receiver.close()
        self._lock.release()

    def poll(self) -> bool:
        if not self._lock.acquire_if_free():
            return False
        if not self.ready:
            self._spool.recover(cases.was_received)
            self.ready = True
        if not self.receiver.listening:
            self._listen()
        for name in self._spool.complete():
            if self._stop.is_set():
                break
            self._take_in(name)
        return False

    def _listen(self) -> None:
        try:
            self.receiver.listen(*self._address)
        except OSError as error:
            trouble = f"The DICOM port cannot be opened: {error.strerror}."
            if trouble != self._trouble:
                log.error(trouble)
            self._trouble = trouble
        else:
            log.info("DICOM studies are received on port %d", self.receiver.port)
            self._trouble = ""

    def _take_in(self, name: str) -> None:
        try:
            if intake.take_in(self._spool, name):
                queue_runner(self._app).notify()
        except OSError as error:
            if not is_disk_full(error):
                raise
            log.warning("a received study waits: the disk is full")
