"""Many cases by command: what there is to do, what is done already, and the table of what was found."""

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.config import Settings
from app.intake import zip_archive
from app.reporting.report import no_formula
from app.web.uploads import Received, assign, shown_folder, shown_name
from model.errors import CaseError
from model.io.case import find_case_files
from model.io.modalities import MODALITIES

TABLE = "cases.csv"
VOLUMES = ("edema", "enhancing", "core", "tumor_core", "whole_tumor")
COLUMNS = (
    "case",
    "outcome",
    "error",
    "message",
    *(f"{key}_ml" for key in VOLUMES),
    "missing",
    "warnings",
    "device",
    "model",
)


@dataclass(frozen=True)
class Job:
    """One case to be segmented: its name, and where its scans come from."""

    name: str
    source: Path | None = None
    files: dict[str, Path] = field(default_factory=dict)

    def digest(self) -> str:
        """Return a SHA-256 of what is segmented: of each scan and its modality, or of the zip.

        Raises CaseError and OSError, where there is nothing to segment either.
        """
        if self.source is None:
            inputs = self.files
        elif self.source.is_dir():
            inputs = find_case_files(self.source)
        else:
            inputs = {"zip": self.source}
        total = hashlib.sha256()
        for key, path in sorted(inputs.items()):
            with path.open("rb") as file:
                total.update(f"{key} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return total.hexdigest()


@dataclass(frozen=True)
class Outcome:
    """How a job ended: `done`, `there before` or `failed`; with the report or the error."""

    job: Job
    state: str
    report: dict[str, Any] | None = None
    error: CaseError | None = None


@dataclass(frozen=True)
class Results:
    """The folder that results go to, and what they have to be.

    convention, model, views : label convention, checksum of the model and views of a scan that it
    averages, as reports have them
    """

    folder: Path
    convention: str
    model: str
    views: str

    def mask_path(self, job: Job) -> Path:
        return self.folder / f"{job.name}_seg.nii.gz"

    def report_path(self, job: Job) -> Path:
        return self.folder / f"{job.name}.json"

    def wants(self, report: dict[str, Any]) -> bool:
        """Say whether a report is what would be made now."""
        made = (report["model"]["checksum"], report["label_convention"])
        same = made == (self.model, self.convention)
        return same and report["device"].endswith(f"; {self.views}")

    def existing(self, job: Job) -> dict[str, Any] | None:
        """Return the report of a job that need not be done again: wanted, and of these scans."""
        try:
            report = json.loads(self.report_path(job).read_text())
            wanted = self.wants(report) and report["inputs_sha256"] == job.digest()
        except (CaseError, OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return report if wanted and self.mask_path(job).is_file() else None

    def keep(self, job: Job, mask: Path, report: dict[str, Any]) -> None:
        """Move a finished mask to where it belongs, and write the report, which comes last.

        What is there before is never of other scans than its report says, whenever this is cut off.
        """
        partial = mask.with_name(f"{mask.name}.json")
        partial.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        self.report_path(job).unlink(missing_ok=True)
        mask.replace(self.mask_path(job))
        partial.replace(self.report_path(job))

    def write_table(self, outcomes: list[Outcome]) -> None:
        """Write one row for each case."""
        partial = self.folder / f".{TABLE}"
        try:
            with partial.open("w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                for outcome in outcomes:
                    row = {name: no_formula(cell) for name, cell in _row(outcome).items()}
                    writer.writerow(row)
            partial.replace(self.folder / TABLE)
        except OSError:
            partial.unlink(missing_ok=True)
            raise


def file_error(error: OSError) -> CaseError:
    """Return what is said of a file that cannot be read or written."""
    return CaseError("file_error", str(error), "Check that it can be read or written.")


def listed(path: Path, out: Path) -> Iterator[Job]:
    """Yield the cases of a folder, whose folders and zips they are, or of a manifest.

    out : folder of results, which may lie among the cases and is none
    Raises ValueError with a sentence that says what is wrong with the manifest.
    """
    if path.is_dir():
        for entry in sorted(path.iterdir()):
            hidden = entry.name.startswith(".") or entry.resolve() == out.resolve()
            if not hidden and (entry.is_dir() or _may_be_zip(entry)):
                yield Job(case_name(entry), source=entry)
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
    """Say whether a file is a zip, or cannot be read, which is told when its turn comes."""
    try:
        return zip_archive.is_zip(path)
    except OSError:
        return True


def _listed_in_row(row: dict[str, str | None], folder: Path, line: int) -> Job:
    given = {key: folder / row[key] for key in ("path", *MODALITIES) if row.get(key)}
    name, source = (row["name"] or "").strip(), given.pop("path", None)
    if not name or Path(name).name != name or name.startswith("."):
        raise ValueError(f"Line {line} of the manifest has no name that a file can have.")
    if bool(source) == bool(given):
        raise ValueError(f"Line {line} of the manifest names neither a path nor files, or both.")
    return Job(name, source, given)


def case_name(path: Path) -> str:
    """Return a folder's name, or a file's without its suffixes."""
    # A link keeps its own name, which `.` and `..` have not.
    path = path if path.name not in ("", "..") else path.resolve()
    if path.is_dir():
        return path.name
    name = path.name
    for suffix in (".gz", ".nii", ".zip"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return name


def scans_of(job: Job, folder: Path, limits: Settings) -> dict[str, Received]:
    """Return the scans of a job by modality; a zip is unpacked into `folder`. Raises CaseError."""
    if job.source is None:
        paths = job.files
    elif job.source.is_dir():
        paths = find_case_files(job.source)
    elif zip_archive.is_zip(job.source):
        max_bytes = limits.max_unpacked_mb * 2**20
        unpacked = zip_archive.unpack(job.source, job.source.name, folder / "zip", max_bytes)
        return assign(
            {}, [Received(shown_name(name), path, shown_folder(name)) for name, path in unpacked]
        )
    else:
        raise CaseError(
            "not_a_case",
            "This is neither a folder nor a zip.",
            "Name the files with --flair, --t1, --t1ce and --t2.",
            job.source.name,
        )
    return {modality: Received(path.name, path) for modality, path in paths.items()}


def _row(outcome: Outcome) -> dict[str, Any]:
    row: dict[str, Any] = {"case": outcome.job.name, "outcome": outcome.state}
    if outcome.error:
        return row | {"error": outcome.error.code, "message": outcome.error.message}
    report = outcome.report or {}
    volumes = report["measurements"]["volumes_ml"]
    return row | {
        **{f"{key}_ml": f"{volumes[key]:.3f}" for key in VOLUMES},
        "missing": " ".join(report["missing_modalities"]),
        "warnings": " ".join(report["warnings"]),
        "device": report["device"],
        "model": report["model"]["checksum"],
    }
