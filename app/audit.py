"""The audit log: who did what with which case, and when. One line of JSON each, only ever appended.

The file holds ids of cases and names of users, never names of patients or files. It is opened anew
for each line, so that it can be moved away while the server runs. At BTS_AUDIT_FILE_MB it is moved away itself, to
`audit.log.1`; that one to `audit.log.2`, and so on; none is deleted.
"""

import fcntl
import json
import logging
import os
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask, current_app, g, has_request_context

from app.identity import current

log = logging.getLogger(__name__)

FILE = "audit.log"
# Lines that are kept while the disk is full; further ones are counted.
MOST_WAITING = 10_000
# Refused requests of one address are written down together, at most this often; addresses beyond the most are
# one.
REFUSALS_S = 60.0
MOST_ADDRESSES = 100
OTHERS = "others"


class AuditLog:
    """Lines on their way to the file, and refusals on their way to lines."""

    def __init__(self, path: Path, most_bytes: int):
        self._path, self._most_bytes = path, most_bytes
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self._lost = 0
        self._refused: Counter[tuple[str, Any]] = Counter()
        self._refusals_written = -REFUSALS_S

    def write(self, entry: dict[str, Any]) -> bool:
        """Append a line, after those that found no room; return whether all are written."""
        with self._lock:
            self._waiting.append(json.dumps(entry) + "\n")
            return self._flush()

    def count_refusal(self, address: str, status: int) -> None:
        """Count a refused request; `refusals` tells of it."""
        with self._lock:
            known = (address, status) in self._refused or len(self._refused) < MOST_ADDRESSES
            self._refused[address if known else OTHERS, status] += 1

    def refusals(self, *, at_once: bool = False) -> list[tuple[str, int, int]]:
        """Return (address, status, how many) of what was refused since the last call, once that is due."""
        with self._lock:
            now = time.monotonic()
            if not self._refused or not (at_once or now - self._refusals_written >= REFUSALS_S):
                return []
            found = [(*key, count) for key, count in self._refused.items()]
            self._refused.clear()
            self._refusals_written = now
            return found

    def _flush(self) -> bool:
        try:
            while self._waiting:
                self._append(self._waiting[0].encode())
                del self._waiting[0]
        except OSError as error:
            log.error("the audit log cannot be written: %s", error.strerror)
            if len(self._waiting) > MOST_WAITING:
                self._lost += 1
                del self._waiting[MOST_WAITING // 2]
            return False
        if self._lost:
            log.error("%d lines of the audit log were lost", self._lost)
            self._lost = 0
        return True

    def _append(self, line: bytes) -> None:
        """Write a whole line or nothing. Raises OSError."""
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # Held until the file is closed: other processes write to it, too.
            fcntl.flock(handle, fcntl.LOCK_EX)
            size = os.fstat(handle).st_size
            if size + len(line) > self._most_bytes and size and self._is_current(handle):
                self._move_away()
                return self._append(line)
            written = 0
            try:
                while written < len(line):
                    written += os.write(handle, line[written:])
            except OSError:
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)

    def _is_current(self, handle: int) -> bool:
        """Say whether the opened file still goes by its name: another process may have moved it away."""
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(handle), self._path.stat())
        return False

    def _move_away(self) -> None:
        number = 1
        while Path(f"{self._path}.{number}").exists():
            number += 1
        for count in range(number, 1, -1):
            Path(f"{self._path}.{count - 1}").replace(f"{self._path}.{count}")
        self._path.replace(f"{self._path}.1")


def init_app(app: Flask) -> None:
    found = app.config["SETTINGS"]
    app.extensions["audit"] = AuditLog(found.data_dir / FILE, found.audit_file_mb * 2**20)


def write(action: str, case: str = "", outcome: Any = "ok", **more: Any) -> bool:
    """Append a line: when, who, what, case, outcome, and the model that is loaded here.

    Return whether it is written; a line that finds no room is kept and written before the next one.
    """
    model = current_app.extensions["model"].loaded
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "who": _who(),
        "what": action,
        "case": case[:64],
        "outcome": outcome,
        "model": model.card.checksum if model else "",
    }
    return _audit_log().write(entry | {key: value for key, value in more.items() if value})


def refuse(address: str, status: int) -> None:
    """Count a request without access. Strangers cannot fill the disk with such lines."""
    _audit_log().count_refusal(address, status)
    write_refusals()


def write_refusals(*, at_once: bool = False) -> None:
    """Write down how many requests were refused, a line for each address, if that is due."""
    for address, status, count in _audit_log().refusals(at_once=at_once):
        write("refuse", outcome=status, who="nobody", address=address, count=count)


def _audit_log() -> AuditLog:
    return current_app.extensions["audit"]


def _who() -> str:
    """Return who acts; "nobody" for a request without access."""
    who = g.get("identity") if has_request_context() else current()
    return "nobody" if who is None else who.name or "operator"
