"""A folder of DICOM files as one study of one patient: what is in it, or why it cannot be one."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom import Dataset

from model.errors import CaseError
from model.io.dicom import values
from model.io.dicom.files import PREAMBLE_BYTES, Header, is_dicom, read_header
from model.io.dicom.headers import Instance, instance_of
from model.io.dicom.kinds import of_file
from model.io.dicom.series import Series, series_of
from model.io.nifti import SUFFIXES
from model.io.nifti_header import Limits

# Most files of a folder that are looked at.
MAX_FILES = 20_000
# An index of the files on a medium, which names paths of its own. It is not believed: all files are read.
INDEX_NAME, INDEX_CLASS = "DICOMDIR", "1.2.840.10008.1.3.10"
_START = PREAMBLE_BYTES + 4
_CHUNK = 2**20


@dataclass(frozen=True)
class Patient:
    """Who a study is of, and which study it is; empty where headers do not say.

    Dates are YYYYMMDD. Nothing of it belongs into a log, a file name, an address or an error: `repr` shows none.
    """

    name: str = field(default="", repr=False)
    identifier: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    study_date: str = field(default="", repr=False)
    accession_number: str = field(default="", repr=False)
    study_description: str = field(default="", repr=False)
    study_uid: str = field(default="", repr=False)

    @property
    def shown_name(self) -> str:
        """The name as people write it: "Doe, Jane"."""
        parts = [part.strip() for part in self.name.split("=")[0].split("^")]
        return ", ".join(part for part in parts[:2] if part)

    @property
    def plain_name(self) -> str:
        """Family and given name without case, marks and spaces: devices spell one name in several ways."""
        parts = self.name.split("=")[0].split("^")[:2]
        plain = "^".join("".join(filter(str.isalnum, part)) for part in parts)
        return plain.casefold().strip("^")


@dataclass(frozen=True)
class DicomStudy:
    """One study of one patient.

    series : all of them, also those of no use, in the order of their numbers
    others : how many files are no DICOM files, duplicates : how many were there twice and count once
    """

    patient: Patient
    series: tuple[Series, ...]
    others: int = 0
    duplicates: int = 0


@dataclass(frozen=True)
class _Read:
    """One file that was read: what it says of its slices, and of the patient."""

    instance: Instance
    patient: Patient
    pixel_offset: int


def holds_dicom(paths: Iterable[Path]) -> bool:
    """Say whether one of several files is a DICOM file by its first bytes. Raises OSError."""
    return any(is_dicom(_start(path)) for path in paths)


def is_study(folder: Path) -> bool:
    """Say whether a folder holds DICOM files and no NIfTI file. Raises CaseError and OSError as `read_study` does."""
    paths = list(study_files(folder))
    if any(path.name.lower().endswith(SUFFIXES) for path in paths):
        return False
    return holds_dicom(paths)


def read_study(folder: Path, limits: Limits = Limits()) -> DicomStudy:
    """Read the headers of all DICOM files in a folder and the folders in it.

    Names of files and an index (DICOMDIR) mean nothing: files are told by their content. Pixels are not read.
    Raises CaseError: `dicom_too_many_files`, `dicom_link`, `dicom_damaged`, `dicom_disguised`, `dicom_too_large`,
    `dicom_no_images`, `dicom_no_uids`, `dicom_conflict`, `dicom_two_patients` or `dicom_two_studies`. None names a
    file or a patient. Raises OSError where a file cannot be read.
    """
    paths = list(study_files(folder))
    found = [read for path in paths if (read := _read(path))]
    images = [one for one in found if of_file(one.instance) is None]
    if not images:
        raise CaseError(
            "dicom_no_images",
            "There are no MR images among the DICOM files." if found else "There are no DICOM files.",
            "Give the folder with the MR series of one study.",
        )  # fmt: skip
    _check_uids(images)
    _check_one_patient(found)
    study_uid = _one_study(images)
    wanted = [one for one in found if one.instance.study_uid == study_uid]
    once = list(_once(wanted))
    patient = next(one.patient for one in images if one.instance.study_uid == study_uid)
    series = series_of((one.instance for one in once), limits)
    return DicomStudy(patient, tuple(series), len(paths) - len(found), len(wanted) - len(once))


def patient_of(dataset: Dataset) -> Patient:
    """Return what a header says of patient and study, in whatever character set."""
    return Patient(
        name=values.text(dataset, "PatientName"),
        identifier=values.text(dataset, "PatientID"),
        birth_date=_date(dataset, "PatientBirthDate"),
        study_date=_date(dataset, "StudyDate"),
        accession_number=values.text(dataset, "AccessionNumber"),
        study_description=values.text(dataset, "StudyDescription"),
        study_uid=values.uid(dataset, "StudyInstanceUID"),
    )


def study_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and all folders in it, in the order of their names."""
    root, count = folder.resolve(), 0
    for place, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(
            [*names, *(entry for entry in folders if Path(place, entry).is_symlink())]
        ):
            path = Path(place, name)
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                _check_link(path, root)
            elif stat.S_ISREG(status.st_mode):
                count += 1
                if count > MAX_FILES:
                    raise CaseError(
                        "dicom_too_many_files",
                        f"There are more than {MAX_FILES:,} files.",
                        "Give the folder of one study.",
                    )
                yield path


def _check_link(path: Path, root: Path) -> None:
    """Refuse a link that leads out of the folder; others lead to what is found anyway."""
    if not path.resolve().is_relative_to(root):
        raise CaseError(
            "dicom_link", "A link leads out of the folder.", "Give the files themselves."
        )


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_START)


def _read(path: Path) -> _Read | None:
    """Return what a file says, None if it is no DICOM file or an index."""
    start = _start(path)
    if path.name.upper() == INDEX_NAME or not is_dicom(start):
        return None
    marked = start[PREAMBLE_BYTES:] == b"DICM"
    try:
        header = read_header(path)
    except CaseError as error:
        # Without the mark it only looked like one.
        if error.code == "dicom_damaged" and not marked:
            return None
        raise
    class_uid = values.uid(header.dataset, "SOPClassUID")
    if class_uid == INDEX_CLASS or (not marked and not class_uid):
        return None
    return _read_of(path, header)


def _read_of(path: Path, header: Header) -> _Read:
    return _Read(instance_of(path, header), patient_of(header.dataset), header.pixel_offset)


def _check_uids(images: Sequence[_Read]) -> None:
    for one in images:
        found = one.instance
        if not (found.instance_uid and found.series_uid and found.study_uid):
            raise CaseError(
                "dicom_no_uids",
                "An image lacks the identifier of its study, its series or of itself.",
                "Export the study again from its archive; some tools that anonymise remove them.",
            )


def _check_one_patient(found: Sequence[_Read]) -> None:
    """Refuse files of several patients, by their identifiers or names, as far as there are any."""
    identifiers = {one.patient.identifier.casefold() for one in found} - {""}
    names = {one.patient.plain_name for one in found} - {""}
    births = {one.patient.birth_date for one in found} - {""}
    if max(len(identifiers), len(names), len(births)) > 1:
        raise CaseError(
            "dicom_two_patients",
            "The files are of several patients: identifiers, names or birth dates differ.",
            "Give the files of one patient at a time.",
        )


def _one_study(images: Sequence[_Read]) -> str:
    studies = {one.instance.study_uid for one in images}
    if len(studies) > 1:
        raise CaseError(
            "dicom_two_studies",
            f"The MR images belong to {len(studies)} studies.",
            "Give the files of one study at a time.",
        )
    return studies.pop()


def _once(found: Sequence[_Read]) -> Iterator[_Read]:
    """Yield each instance once. Raises CaseError `dicom_conflict` for two of one identifier that differ."""
    known: dict[str, _Read] = {}
    for one in found:
        uid = one.instance.instance_uid
        if not uid or uid not in known:
            known[uid] = one
            yield one
        elif not _same(one, known[uid]):
            raise CaseError(
                "dicom_conflict",
                "Two different images have the same identifier.",
                "Export the study again from its archive, into an empty folder.",
            )


def _same(one: _Read, other: _Read) -> bool:
    a, b = (replace(read.instance, path=Path(), frames=()) for read in (one, other))
    slices = [
        [replace(frame, path=Path()) for frame in read.instance.frames] for read in (one, other)
    ]
    return a == b and slices[0] == slices[1] and _digest(one) == _digest(other)


def _digest(read: _Read) -> bytes:
    """Return a SHA-256 of the pixels as they are stored."""
    total = hashlib.sha256()
    with read.instance.path.open("rb") as file:
        file.seek(read.pixel_offset)
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return total.digest()


def _date(dataset: Dataset, keyword: str) -> str:
    value = str(values.first([dataset], keyword) or "").strip()
    return value if len(value) == 8 and value.isdigit() else ""
