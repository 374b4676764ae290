"""What the server suffers in the soak beside being killed: a full disk, a locked database."""

import contextlib
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

# Some hazards claim a gigabyte, which must be refused for another reason than this disk.
DISK_MB = 2500


@contextlib.contextmanager
def own_disk(folder: Path) -> Iterator[bool]:
    """Mount a small disk at a folder, which needs root; say whether that was possible."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Keep the disk of a folder full to the last byte."""
    filler, end = folder / "filler", threading.Event()

    def fill() -> None:
        with filler.open("ab", buffering=0) as file:
            while not end.wait(0.05):
                # What is deleted makes room, which is filled again.
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(2**16))

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
        filler.unlink()


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    """Keep everybody else from writing to a SQLite database."""
    with contextlib.closing(
        sqlite3.connect(database, isolation_level=None, timeout=60)
    ) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
