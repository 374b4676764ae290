"""How much memory requests may use together, and what the C library keeps of memory that was freed."""

import ctypes
import math
import platform
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, current_app

from app.errors import Busy

# Of mallopt(3).
M_ARENA_MAX = -8
ARENAS = 2
# Longest wait for room, in seconds: browsers and proxies give up later than that.
MOST_WAIT_S = 60.0


class Room:
    """Memory that whoever needs much of it asks for first; those that find none wait, in order.

    most_bytes : what all together may use. Who needs more gets it all, alone
    """

    def __init__(self, most_bytes: int):
        self._most_bytes, self._used_bytes = most_bytes, 0
        self._changed, self._waiting = threading.Condition(), deque()

    @contextmanager
    def taken(self, size_bytes: float, wait_s: float | None = None) -> Iterator[None]:
        """Hold so many bytes. Raises Busy where there is no room within `wait_s`, by default MOST_WAIT_S."""
        wait_s = MOST_WAIT_S if wait_s is None else wait_s
        size, ticket = min(math.ceil(size_bytes), self._most_bytes), object()

        def first_and_fits() -> bool:
            return self._waiting[0] is ticket and self._used_bytes + size <= self._most_bytes

        with self._changed:
            self._waiting.append(ticket)
            try:
                if not self._changed.wait_for(first_and_fits, wait_s):
                    raise Busy
                self._used_bytes += size
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._used_bytes -= size
                self._changed.notify_all()


def init_app(app: Flask) -> None:
    bound_arenas()
    app.extensions["room"] = Room(app.config["SETTINGS"].max_heavy_mb * 2**20)


def room() -> Room:
    """Return the room of the current app."""
    return current_app.extensions["room"]


def bound_arenas() -> None:
    """Let all threads share ARENAS heaps, where the C library is glibc.

    It gives each thread a heap of its own, up to eight a core, and what one thread frees in its heap others
    cannot use: with a large native case that came to 250 MB, and more with more cores.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
