"""Uploaded and local files: the names that people see, and which file is which sequence."""

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from model.errors import CaseError
from model.io.modalities import (
    MODALITIES,
    SUFFIX,
    find_modalities,
    guess_modalities,
    guess_modality,
    missing_modalities,
    other_kind,
)
from model.io.nifti_volumes import volumes_in
from model.warnings import CaseWarning, left_out, taken_for

# Longest name that is shown; long ones lose their middle, since modalities stand at the end.
SHOWN_LENGTH = 120
# Files that an error names one by one.
NAMED = 3
# Images that other programs write, and that are not read here.
OTHER_FORMATS = (
    ".mha",
    ".mhd",
    ".nrrd",
    ".nhdr",
    ".mgz",
    ".mgh",
    ".hdr",
    ".img",
    ".mnc",
    ".par",
    ".rec",
)


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


@dataclass(frozen=True)
class Assigned:
    """The files of a case by modality, and what is to be said of others that came with them."""

    files: dict[str, ScanFile]
    warnings: tuple[CaseWarning, ...] = ()


def assign(named: dict[str, ScanFile], loose: list[ScanFile]) -> Assigned:
    """Choose a file for each modality: one sent under its name, else one whose name fits.

    If one sequence and one file whose name says nothing are left, the file is taken for it. What is not taken,
    masks and other images by their names apart, is named in a warning.

    Raises CaseError `missing_modality`, `duplicate_modality` or `several_volumes`.
    """
    free = [(file.placed, file) for file in loose if guess_modality(file.name) not in named]
    # A modality's key is itself recognised as a name, so it stands for the file sent under it.
    names = [*named, *(placed for placed, _ in free)]
    unknown = [file for placed, file in free if _says_nothing(placed, names)]
    try:
        found = find_modalities(names)
    except CaseError as error:
        raise _explained(error, unknown) from error
    by_name = dict(free) | named
    files = {modality: by_name[name] for modality, name in found.items()}
    missing = missing_modalities(files)
    if len(missing) == len(unknown) == 1:
        (modality,), (file,) = missing, unknown
        files[modality] = file
        ordered = {key: files[key] for key in MODALITIES}
        return Assigned(ordered, (taken_for(modality, file.name),))
    return Assigned(files, (left_out([file.name for file in unknown]),) if unknown else ())


def _says_nothing(placed: str, names: list[str]) -> bool:
    """Say whether the name of a file, and that of its folder, tell nothing about it."""
    guess = guess_modalities(names)[names.index(placed)]
    return guess is None and other_kind(placed.rpartition("/")[2]) is None


def _explained(error: CaseError, unknown: list[ScanFile]) -> CaseError:
    """Return an error about missing sequences that names the files which were not understood."""
    if error.code != "missing_modality" or not unknown:
        return error
    count = volumes_in(unknown[0].path) if len(unknown) == 1 else 1
    if count > 1:
        return CaseError(
            "several_volumes",
            f"The file holds {count} volumes in one.",
            "Upload it on the page, or with confirm=1, and say which is which; or split it into a file for each "
            "sequence, for example p_flair.nii.gz and p_t1.nii.gz.",
            unknown[0].name,
        )
    names = ", ".join(file.name for file in unknown[:NAMED])
    more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
    message = f"{error.message} Not understood: {names}{more}."
    return CaseError(error.code, message, error.hint)


def paths_of(files: Mapping[str, ScanFile]) -> dict[str, Path]:
    """Return where the files of a case lie, by modality."""
    return {modality: file.path for modality, file in files.items()}


def names_of(files: Mapping[str, ScanFile]) -> dict[str, str]:
    """Return what the files of a case are called, by modality."""
    return {modality: file.name for modality, file in files.items()}


def refuse_other_formats(names: Iterable[str]) -> None:
    """Raise CaseError `not_nifti` if there is an image of a format that is not read."""
    other = next((name for name in names if name.lower().endswith(OTHER_FORMATS)), None)
    if other:
        raise CaseError(
            "not_nifti",
            "The file is of a format that is not read.",
            "NIfTI (.nii, .nii.gz) and DICOM are read. ITK-SNAP, 3D Slicer or mri_convert can convert it.",
            shown_name(other),
        )


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
