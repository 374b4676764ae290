"""What was received and is no case yet: on the disk, so that a killed process loses nothing.

    <data_dir>/incoming/<random>.partial    one object while it is being written
                        <study>-<random>/   a study: its objects, each named by a hash of its identifier;
                                            results of this server end in `.result`
                        <study>-<random>.tries   as many bytes as there were tries to make a case of it

<study> is a hash of the study's identifier, so that objects which arrive after a restart find their study.
"""

import filecmp
import hashlib
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# A study is complete when nothing of it has come for this long, in seconds.
QUIET_S = 15.0
# Characters of hashes in names; the name of a folder fits into the column `received`.
HASH = 24
_FOLDER = re.compile(rf"([0-9a-f]{{{HASH}}})-[0-9a-f]+")
PARTIAL, TRIES, RESULT = ".partial", ".tries", ".result"


@dataclass
class _Open:
    """A study that may still grow; `last` is when something of it came, by `time.monotonic`."""

    name: str
    last: float


class Spool:
    """The folder of received studies. One process has it at a time; its threads share it."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._lock = threading.Lock()
        self._open: dict[str, _Open] = {}
        # Complete studies, oldest first.
        self._closed: list[str] = []

    def recover(self, is_case: Callable[[str], bool]) -> None:
        """Take over what an earlier process left. Its studies may grow again for QUIET_S. It may be called again.

        is_case : says of the name of a folder whether there is a case of it already; such a folder is deleted
        """
        with self._lock:
            self._open.clear()
            self._closed.clear()
        found = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in found:
            whole = path.suffix == TRIES and path.with_suffix("").exists()
            if path.suffix in (PARTIAL, TRIES) and not whole:
                path.unlink()
        for path in found:
            known = _FOLDER.fullmatch(path.name)
            if not known:
                continue
            if is_case(path.name):
                self.remove(path.name)
                continue
            with self._lock:
                older = self._open.pop(known[1], None)
                if older:
                    self._close(older.name)
                self._open[known[1]] = _Open(path.name, time.monotonic())

    @contextmanager
    def partial(self, write: Callable[[BinaryIO], None]) -> Iterator[Path]:
        """Write an object into a file of its own; what is not added is deleted. Raises OSError."""
        path = self._folder / f"{secrets.token_hex(8)}{PARTIAL}"
        try:
            with path.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)

    def add(self, partial: Path, study: str, instance: str, *, is_result: bool = False) -> str:
        """Move an object to its study, named by their identifiers; return the name of the study's folder.

        is_result : whether it is a result of this server

        What is there already stays as it is; the same identifier with other content is kept beside it, for
        whoever reads the study to judge. Once this returns, the disk has it. Raises OSError.
        """
        key = _hash(study)
        with self._lock:
            opened = self._open.get(key)
            if opened is None:
                opened = _Open(f"{key}-{secrets.token_hex(8)}", 0.0)
                (self._folder / opened.name).mkdir(mode=0o700)
                _flush(self._folder)
                self._open[key] = opened
            folder = self._folder / opened.name
            ending = RESULT if is_result else ""
            place = folder / f"{_hash(instance)}{ending}"
            if place.exists() and not filecmp.cmp(partial, place, shallow=False):
                place = folder / f"{_hash(instance)}-{_content(partial)}{ending}"
            if not place.exists():
                partial.replace(place)
                _flush(folder)
            opened.last = time.monotonic()
            return opened.name

    def touch(self, name: str) -> None:
        """Say that something of a study is on its way."""
        with self._lock:
            for opened in self._open.values():
                if opened.name == name:
                    opened.last = time.monotonic()

    def complete(self) -> list[str]:
        """Return the names of the studies that are complete, oldest first. They do not grow any more."""
        with self._lock:
            before = time.monotonic() - QUIET_S
            for key, opened in list(self._open.items()):
                if opened.last <= before:
                    del self._open[key]
                    self._close(opened.name)
            return list(self._closed)

    def _close(self, name: str) -> None:
        folder = self.path(name)
        # A folder was made, but there was no room for what should go into it.
        if any(folder.iterdir()):
            self._closed.append(name)
        else:
            folder.rmdir()

    def free_bytes(self) -> int:
        """Return the free bytes on the disk."""
        return shutil.disk_usage(self._folder).free

    def path(self, name: str) -> Path:
        """Return the folder of a study."""
        return self._folder / name

    def count_try(self, name: str) -> int:
        """Note on the disk that a case is going to be made of a study; return how often that was so."""
        with self._tries(name).open("ab") as file:
            file.write(b".")
            file.flush()
            return file.tell()

    def forget_try(self, name: str) -> None:
        """Take back the last try: what stopped it was not the study. Needs no space."""
        path = self._tries(name)
        os.truncate(path, max(0, path.stat().st_size - 1))

    def remove(self, name: str) -> None:
        """Delete a study of which there is a case now. Raises OSError; it may be called again."""
        shutil.rmtree(self._folder / name)
        self._tries(name).unlink(missing_ok=True)
        with self._lock:
            if name in self._closed:
                self._closed.remove(name)

    def _tries(self, name: str) -> Path:
        return self._folder / f"{name}{TRIES}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:HASH]


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:HASH]


def _flush(folder: Path) -> None:
    """Have the disk know what is in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
