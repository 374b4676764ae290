"""The embedded queue: a thread of the server takes the oldest case from the database, one at a time.

The queue is the `cases` table itself, so a restart goes on where the last process stopped.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from flask import Flask

from app import audit
from app.jobs import case_queue
from app.jobs.attempt import CaseRunner
from app.jobs.folder_lock import FolderLock
from app.jobs.polling_thread import PollingThread
from app.jobs.watchdog import Watchdog
from app.store import removal, retention


class EmbeddedWorker(PollingThread):
    """Runs queued cases in a thread of this process."""

    name = "cases"

    def __init__(self, app: Flask):
        super().__init__(app)
        self._started_at = datetime.now(UTC)
        self._lock = FolderLock(app.config["SETTINGS"].data_dir / ".lock")
        self._watchdog = Watchdog(app.config["SETTINGS"].case_limit_s)
        self._runner = CaseRunner(app, self._stop, on_progress=self._watchdog.reset)

    def claim(self) -> None:
        """Keep other processes off the data folder. Raises StartupError if one works on it."""
        self._lock.acquire()

    def release(self) -> None:
        self._lock.release()

    def obstacles(self) -> Iterator[str]:
        if self._app.extensions["model"].loaded is None:
            yield "The model is not loaded."
        if not self.alive:
            yield "The queue is not running."
        elif not self.ready:
            yield "The queue is starting."
        if self._watchdog.is_late:
            yield "The case in hand makes no progress."

    def poll(self) -> bool:
        # No other process runs cases of this folder: what is marked as running was interrupted.
        case_queue.recover()
        if not self.ready:
            removal.remove_leftovers(self._started_at)
            self.ready = True
        retention.remove_expired()
        removal.finish_removals()
        audit.write_refusals()
        return self.run_next()

    def run_next(self) -> bool:
        """Run the oldest queued case; return whether to go on with the next at once.

        Needs an app context.
        """
        case = case_queue.take_oldest()
        if case is None:
            return False
        with self._watchdog:
            return self._runner.run(case) != "postponed"
