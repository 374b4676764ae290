"""Some megabytes of the disk that are kept for the moment when it is full: deleting needs room for a moment."""

import os
from contextlib import suppress

from app.config import settings

FILE = "reserve"
# What deleting a case takes in SQLite's log is a tenth of it.
SIZE_BYTES = 2 * 2**20


def keep() -> None:
    """Take the reserve from the disk where it is missing, if there is room."""
    path = settings().data_dir / FILE
    if path.exists():
        return
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return
    try:
        os.posix_fallocate(handle, 0, SIZE_BYTES)
    except OSError:
        path.unlink()
    finally:
        os.close(handle)


def give_up() -> bool:
    """Give the reserve back to the disk; return whether there was one."""
    with suppress(FileNotFoundError):
        (settings().data_dir / FILE).unlink()
        return True
    return False
