"""Ends this process when a case makes no progress, so that it blocks no other.

What hangs in a library cannot be ended otherwise. gunicorn starts a new process, which counts the
attempt and goes on; see `queue.recover`.
"""

import faulthandler
import sys
import threading
import time


class Watchdog:
    """Watches a block of code, which has to pat it at least every `limit_s` seconds.

    Otherwise the process ends at once, and where each thread was goes to stderr. Written in C: a
    library that holds the interpreter's lock does not keep it from that.
    """

    def __init__(self, limit_s: float):
        self._limit_s = limit_s
        self._patted_at: float | None = None
        self._lock = threading.Lock()

    @property
    def is_worried(self) -> bool:
        """Whether half of the time is over."""
        patted_at = self._patted_at
        return patted_at is not None and time.monotonic() - patted_at > self._limit_s / 2

    def pat(self) -> None:
        """Say that the block goes on; from any thread, and in vain when it is over."""
        with self._lock:
            if self._patted_at is not None:
                self._wait()

    def __enter__(self) -> None:
        with self._lock:
            self._wait()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            faulthandler.cancel_dump_traceback_later()
            self._patted_at = None

    def _wait(self) -> None:
        self._patted_at = time.monotonic()
        faulthandler.dump_traceback_later(self._limit_s, exit=True, file=sys.__stderr__)
