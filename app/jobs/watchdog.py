"""Ends this process when a case makes no progress, so that it does not block others.

A library that hangs cannot be stopped otherwise. gunicorn starts a new process, which counts the
attempt and goes on; see `case_queue.recover`.
"""

import faulthandler
import sys
import threading
import time


class Watchdog:
    """Watches a block of code, which has to call `reset` at least every `limit_s` seconds.

    Otherwise the process ends at once, and the stack of each thread goes to stderr. `faulthandler`
    does this in C, so that it works while a library holds the interpreter's lock.
    """

    def __init__(self, limit_s: float):
        self._limit_s = limit_s
        self._reset_at: float | None = None
        self._lock = threading.Lock()

    @property
    def is_late(self) -> bool:
        """Whether half of the time is over."""
        reset_at = self._reset_at
        return reset_at is not None and time.monotonic() - reset_at > self._limit_s / 2

    def reset(self) -> None:
        """Say that the block makes progress; from any thread. Does nothing outside the block."""
        with self._lock:
            if self._reset_at is not None:
                self._wait()

    def __enter__(self) -> None:
        with self._lock:
            self._wait()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            faulthandler.cancel_dump_traceback_later()
            self._reset_at = None

    def _wait(self) -> None:
        self._reset_at = time.monotonic()
        faulthandler.dump_traceback_later(self._limit_s, exit=True, file=sys.__stderr__)
