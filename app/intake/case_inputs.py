"""Cases given by path: a folder (of NIfTI or DICOM), a zip or single files each; listed by a folder or a manifest."""

import csv
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.intake import study_case, zip_archive
from app.intake.checked import one_at_a_time
from app.intake.dicom_study import is_study, study_files
from app.intake.files import (
    Assigned,
    ScanFile,
    assign,
    paths_of,
    refuse_other_formats,
    shown_folder,
    shown_name,
)
from app.intake.study_case import StudyRecord
from model.errors import CaseError
from model.io.modalities import MODALITIES, guess_modality
from model.io.nifti import SUFFIXES
from model.io.nifti_header import Limits
from model.preparation.plan import Mode
from model.preparation.record import Origin
from model.warnings import CaseWarning


@dataclass(frozen=True)
class GivenScans:
    """The scans of a case by modality, and what is kept of the DICOM study that they were made from, if any.

    warnings : about files that came with them
    """

    files: dict[str, ScanFile]
    study: StudyRecord | None = None
    warnings: tuple[CaseWarning, ...] = ()

    @property
    def origin(self) -> Origin:
        return "dicom" if self.study else "nifti"


@dataclass(frozen=True)
class CaseInput:
    """One case to be segmented: its name, and where its scans come from."""

    name: str
    source: Path | None = None
    files: dict[str, Path] = field(default_factory=dict)

    def digest(self) -> str:
        """Return a SHA-256 of the scans and their modalities, of the zip, or of the files of a DICOM study.

        Raises CaseError and OSError, as reading the scans would.
        """
        if self.source is None:
            inputs = self.files
        elif not self.source.is_dir():
            inputs = {"zip": self.source}
        elif is_study(self.source):
            inputs = {str(path.relative_to(self.source)): path for path in study_files(self.source)}
        else:
            files = _in_folder(self.source).files
            inputs = paths_of(files)
        total = hashlib.sha256()
        for key, path in sorted(inputs.items()):
            with path.open("rb") as file:
                total.update(f"{key} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return total.hexdigest()

    def scans(
        self, folder: Path, max_unpacked_bytes: int, mode: Mode, limits: Limits
    ) -> GivenScans:
        """Return the scans; a zip is unpacked into `folder`, and those of a study are written there.

        Raises CaseError and OSError.
        """
        if self.source is None:
            return GivenScans({key: _scan_file(path) for key, path in self.files.items()})
        if self.source.is_dir():
            if is_study(self.source):
                return _of_study(self.source, folder, mode, limits)
            found = _in_folder(self.source)
        elif not zip_archive.is_zip(self.source):
            raise CaseError(
                "not_a_case",
                "This is neither a folder nor a zip.",
                "Name the files with --flair, --t1, --t1ce and --t2.",
                shown_name(self.source.name),
            )
        elif zip_archive.holds_study(self.source, self.source.name):
            study = folder / "study"
            zip_archive.unpack_dicom(self.source, self.source.name, study, max_unpacked_bytes)
            return _of_study(study, folder, mode, limits)
        else:
            found = _in_zip(self.source, folder / "zip", max_unpacked_bytes)
        return GivenScans(found.files, warnings=found.warnings)


def _of_study(study: Path, folder: Path, mode: Mode, limits: Limits) -> GivenScans:
    examined = study_case.examine(study, limits)
    (folder / "scans").mkdir()
    with one_at_a_time:
        made = study_case.write_scans(examined, examined.chosen(), folder / "scans", mode)
    return GivenScans(made.files, study_case.record_of(examined, made))


def _in_folder(folder: Path) -> Assigned:
    """Return the scans of a folder or, where none of its own files is one, of all folders in it. Raises CaseError."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        found += [Path(place, name) for name in sorted(names) if not _is_hidden(name)]
    scans = [path for path in found if path.name.lower().endswith(SUFFIXES) and path.is_file()]
    if not scans:
        refuse_other_formats(path.name for path in found)
    own = [path for path in scans if path.parent == folder]
    if any(guess_modality(path.name) in MODALITIES for path in own):
        scans = own
    return assign({}, [_scan_file(path, folder) for path in scans])


def _in_zip(path: Path, folder: Path, max_bytes: int) -> Assigned:
    unpacked = zip_archive.unpack(path, path.name, folder, max_bytes)
    files = [ScanFile(shown_name(name), path, shown_folder(name)) for name, path in unpacked]
    return assign({}, files)


def _scan_file(path: Path, root: Path | None = None) -> ScanFile:
    """Return a file; its folder may tell its sequence, if it is one within the folder of the case."""
    folder = shown_name(path.parent.name) if root and path.parent != root else ""
    return ScanFile(shown_name(path.name), path, folder)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def listed(path: Path, out: Path) -> Iterator[CaseInput]:
    """Yield the cases of a folder (its folders and zips) or of a manifest (a CSV).

    out : folder of results, which is no case if it lies in that folder

    Raises ValueError with a sentence that says what is wrong with the manifest.
    """
    if path.is_dir():
        for entry in sorted(path.iterdir()):
            hidden = entry.name.startswith(".") or entry.resolve() == out.resolve()
            if not hidden and (entry.is_dir() or _may_be_zip(entry)):
                yield CaseInput(case_name(entry), source=entry)
        return
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            unknown = set(rows.fieldnames or ()) - {"name", "path", *MODALITIES}
            if unknown or "name" not in (rows.fieldnames or ()):
                raise ValueError(
                    f"A manifest has the columns name, and path or {', '.join(MODALITIES)}."
                )
            for row in rows:
                yield _listed_in_row(row, path.parent, rows.line_num)
    except csv.Error as error:
        raise ValueError(f"The manifest cannot be read as CSV: {error}.") from error


def _may_be_zip(path: Path) -> bool:
    """Say whether a file is a zip, or cannot be read, which is reported when it is segmented."""
    try:
        return zip_archive.is_zip(path)
    except OSError:
        return True


def _listed_in_row(row: dict[str, str | None], folder: Path, line: int) -> CaseInput:
    given = {key: folder / row[key] for key in ("path", *MODALITIES) if row.get(key)}
    name, source = (row["name"] or "").strip(), given.pop("path", None)
    if not name or Path(name).name != name or name.startswith("."):
        raise ValueError(f"Line {line} of the manifest has no name that a file can have.")
    if bool(source) == bool(given):
        raise ValueError(f"Line {line} of the manifest names neither a path nor files, or both.")
    return CaseInput(name, source, given)


def case_name(path: Path) -> str:
    """Return a folder's name, or a file's without its suffixes."""
    # `.` and `..` have no name of their own; a link keeps its name.
    path = path if path.name not in ("", "..") else path.resolve()
    # Names that are not UTF-8 can be opened, but neither printed nor written.
    name = os.fsencode(path.name).decode(errors="replace").replace("\N{REPLACEMENT CHARACTER}", "_")
    if path.is_dir():
        return name
    for suffix in (".gz", ".nii", ".zip"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return name
