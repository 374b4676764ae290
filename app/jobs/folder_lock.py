"""A lock on the data folder, so that only one process works on it."""

import fcntl
import os
import sys
import time
from pathlib import Path
from typing import IO

from app.errors import StartupError

# gunicorn starts a new worker before the old one of the same master has ended; that takes up to
# its `graceful_timeout`.
SIBLING_WAIT_S = 40.0


class FolderLock:
    """An advisory lock, which the system releases however the process ends."""

    def __init__(self, path: Path):
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock; a second call does nothing. Raises StartupError if another has it.

        A sibling that is about to end is waited for.
        """
        if self._file is not None:
            return
        file = self._path.open("a+")
        end = time.monotonic() + SIBLING_WAIT_S
        while not _locked(file):
            holder = _holder(file)
            if not _is_sibling(holder) or time.monotonic() > end:
                file.close()
                raise StartupError(
                    f"Another process ({holder[0] if holder else 'unknown'}) works on the data "
                    f"folder {self._path.parent}.\nEnd it first, or set BTS_DATA_DIR to a folder of "
                    "this one's own."
                )
            time.sleep(0.2)
        self._take(file)

    def acquire_if_free(self) -> bool:
        """Take the lock unless another process has it; return whether this one has it now."""
        if self._file is not None:
            return True
        file = self._path.open("a+")
        if not _locked(file):
            file.close()
            return False
        self._take(file)
        return True

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take(self, file: IO[str]) -> None:
        file.truncate(0)
        file.write(f"{os.getpid()} {os.getppid()}")
        file.flush()
        self._file = file


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _holder(file: IO[str]) -> tuple[int, ...]:
    """Return process and parent of who has the lock; empty while that is being written."""
    file.seek(0)
    words = file.read().split()
    return tuple(map(int, words)) if len(words) == 2 else ()


def _is_sibling(holder: tuple[int, ...]) -> bool:
    """Say whether the holder is another worker of the gunicorn master that started this one."""
    under_gunicorn = "gunicorn.arbiter" in sys.modules
    return under_gunicorn and bool(holder) and holder[1] == os.getppid()
