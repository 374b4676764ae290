"""Uploaded and local files: the names that people see, and which file is which sequence."""

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from model.io.modalities import SUFFIX, find_modalities, guess_modality

# Longest name that is shown; long ones lose their middle, since modalities stand at the end.
SHOWN_LENGTH = 120


@dataclass(frozen=True)
class ScanFile:
    """One file: its original name, cleaned for display, and its path."""

    name: str
    path: Path
    # Name of its original folder: sequences may be told apart by folders only.
    folder: str = ""
    # The zip that it is still packed in, and its index there; `path` is then where it will be unpacked.
    zipped: "ScanFile | None" = None
    place: int = 0

    @property
    def placed(self) -> str:
        """Its name with its folder."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


def assign(named: dict[str, ScanFile], loose: list[ScanFile]) -> dict[str, ScanFile]:
    """Choose a file for each modality: one sent under its name, else one whose name fits.

    Raises CaseError `missing_modality` or `duplicate_modality`.
    """
    free = [(file.placed, file) for file in loose if guess_modality(file.name) not in named]
    # A modality's key is itself recognised as a name, so it stands for the file sent under it.
    found = find_modalities([*named, *(placed for placed, _ in free)])
    by_name = dict(free) | named
    return {modality: by_name[name] for modality, name in found.items()}


def shown_name(client_name: str) -> str:
    """Return the last part of a client's file name, fit to be shown."""
    return visible(client_name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1])


def shown_folder(client_name: str) -> str:
    """Return the folder in a client's file name, fit to be shown, or an empty string."""
    return shown_name(client_name.replace("\\", "/").rstrip("/").rpartition("/")[0])


def visible(text: str) -> str:
    """Return text without invisible characters, and without its middle where it is too long."""
    shown = "".join(c for c in text if not _is_invisible(c)).strip()
    if len(shown) <= SHOWN_LENGTH:
        return shown
    half = SHOWN_LENGTH // 2
    return f"{shown[:half]}…{shown[-half + 1 :]}"


def _is_invisible(character: str) -> bool:
    """Say whether a character is a control character, a direction mark or a line break."""
    category = unicodedata.category(character)
    return category.startswith("C") or category in ("Zl", "Zp")


def common_name(names: list[str]) -> str:
    """Return the words with which the names of one patient's files begin, or an empty string."""
    stems = [SUFFIX.sub("", name) for name in names]
    # A prefix by characters, not by path parts; it may end within a word.
    prefix = os.path.commonprefix(stems)  # noqa: RUF071
    whole = all(re.match(r"$|[ ._-]", stem[len(prefix) :]) for stem in stems)
    words = re.match(r"(.*[^ ._-])" if whole else r"(.*[^ ._-])[ ._-]", prefix)
    return words[1] if words and len(names) > 1 else ""
