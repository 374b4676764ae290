"""A thread of this process that looks for work again and again, until the server ends."""

import atexit
import logging
import threading
from collections.abc import Iterator

from flask import Flask

from app import audit
from app.store.db_errors import database_error, is_database_busy

log = logging.getLogger(__name__)

# Seconds between two looks when nobody calls `notify`.
POLL_S = 5.0


class PollingThread:
    """Calls `poll` in an app context; a subclass says what that does."""

    name = "polling"
    # Whether leftovers of a crash have been dealt with; a subclass sets it.
    ready = False

    def __init__(self, app: Flask):
        self._app = app
        self._thread: threading.Thread | None = None
        self._wake, self._stop = threading.Event(), threading.Event()
        self._without_database = False

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def claim(self) -> None:
        """Take what only one process may hold. Raises StartupError if another holds it."""

    def release(self) -> None:
        """Give back what was claimed."""

    def obstacles(self) -> Iterator[str]:
        """Yield what keeps cases from being segmented, as sentences. Needs an app context."""
        yield from ()

    def poll(self) -> bool:
        """Do what there is to do now; return whether there may be more. Needs an app context."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the thread; a second call does nothing. Raises StartupError as `claim` does."""
        if self.alive:
            return
        self.claim()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the thread, and wait for that."""
        self.halt()
        if self._thread is not None:
            self._thread.join(timeout_s)
        atexit.unregister(self.stop)

    def halt(self) -> None:
        """Tell the thread to end; do not wait."""
        self._stop.set()
        self._wake.set()

    def notify(self) -> None:
        """Say that there is something to do."""
        self._wake.set()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._wake.clear()
                if not self._poll() and not self._stop.is_set():
                    self._wake.wait(POLL_S)
        finally:
            self.ready = False
            with self._app.app_context():
                audit.write_refusals(at_once=True)
            self.release()

    def _poll(self) -> bool:
        try:
            with self._app.app_context():
                more = self.poll()
        except Exception as error:
            # A database that is away must neither end the thread nor fill the log.
            busy = is_database_busy(error)
            if not busy:
                log.exception("%s: unforeseen error", self.name)
            elif not self._without_database:
                fault = database_error(error)
                log.warning("%s: the database is busy or cannot be reached: %s", self.name, fault)
            self._without_database = busy
            return False
        if self._without_database:
            log.info("%s: the database answers again", self.name)
        self._without_database = False
        return more
