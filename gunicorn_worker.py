"""gunicorn's threaded worker, with limits on how slowly a client may send or read.

gunicorn has no time-out within a request: as many slow clients as there are threads would block it.
"""

import errno
import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn.util import close_graceful
from gunicorn.workers.gthread import TConn, ThreadWorker

_SEND_BYTES = 2**16


class TimedSocket:
    """A socket that raises TimeoutError if nothing comes for long, or too little.

    silence_s : longest wait for data to arrive or leave
    bytes_per_s : least mean rate of arriving data, over the time waited beyond `silence_s`
    """

    def __init__(self, sock: socket.socket, silence_s: float, bytes_per_s: float):
        self._sock, self._silence_s, self._bytes_per_s = sock, silence_s, bytes_per_s
        self._waited_s, self._received, self._gave_up = 0.0, 0, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def setblocking(self, blocking: bool) -> None:
        self._sock.settimeout(self._silence_s if blocking else 0)

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self._gave_up:
            raise _too_slow()
        start = time.monotonic()
        try:
            data = self._sock.recv(size, flags)
        except TimeoutError:
            data = None
        self._waited_s += time.monotonic() - start
        self._received += len(data or b"")
        least = (self._waited_s - self._silence_s) * self._bytes_per_s
        self._gave_up = data is None or self._received < least
        if self._gave_up:
            raise _too_slow()
        return data

    def sendall(self, data: bytes) -> None:
        # socket.sendall applies its timeout to all data together, which would cut off slow readers of
        # large answers.
        left = memoryview(data)
        while left:
            left = left[self._sock.send(left[:_SEND_BYTES]) :]


def _too_slow() -> TimeoutError:
    # For this errno gunicorn assumes that the client has gone, and closes quietly.
    return TimeoutError(errno.EPIPE, "the client sends too slowly")


def _linger(sock: TimedSocket) -> None:
    """Let the answer reach a client that is still sending.

    gunicorn would wait up to 2 s for each in the one thread that accepts connections.
    """
    with suppress(OSError):
        close_graceful(sock.dup())
        # Reads by gunicorn then end at once.
        sock.shutdown(socket.SHUT_RD)


class Worker(ThreadWorker):
    """Serves requests in threads; stops its other threads as soon as it is told to shut down."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        # Missing while the app is being loaded.
        app = getattr(self, "wsgi", None)
        if app is not None:
            for name in ("queue", "removals", "dicom_node"):
                app.extensions[name].halt()
        super().handle_exit(sig, frame)

    def handle(self, conn: TConn) -> Any:
        if not isinstance(conn.sock, TimedSocket):
            settings = self.wsgi.config["SETTINGS"]
            conn.sock = TimedSocket(
                conn.sock, settings.client_timeout_s, settings.min_client_kb_s * 2**10
            )
        result = super().handle(conn)
        if result is False:
            _linger(conn.sock)
        return result
