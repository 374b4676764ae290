"""Many cases by command: what is done already, how each case ended, and the table of all."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.analysis.record import CaseRecord
from app.analysis.values import VolumesMl
from app.intake.case_inputs import CaseInput
from app.reporting.csv_cells import rounded, write_rows
from app.reporting.endings import ENDINGS
from app.reporting.schemas import Report
from model.card import Views
from model.errors import CaseError
from model.io.modalities import MODALITIES
from model.preparation.plan import Mode

TABLE = "cases.csv"
COLUMNS = (
    "case",
    "outcome",
    "error",
    "message",
    *(f"{key}_ml" for key in VolumesMl.names()),
    "missing",
    "warnings",
    "device",
    "model",
)


class CommandReport(Report):
    """The report that `flask segment` writes: also with a hash of the scans, and what `--prepare` was."""

    inputs_sha256: str
    prepare: Mode = "auto"


@dataclass(frozen=True)
class Outcome:
    """How a case ended: `done`, `there before` or `failed`; with the report or the error."""

    case: CaseInput
    state: str
    report: CommandReport | None = None
    error: CaseError | None = None


@dataclass(frozen=True)
class OutputFolder:
    """The folder of results, and what they must have been made with.

    convention, model, networks, views : label convention, checksum of the model, how many networks
        and which slices it averages
    prepare : which scans are prepared
    """

    folder: Path
    convention: str
    model: str
    networks: int
    views: Views
    prepare: Mode = "auto"

    def mask_path(self, case: CaseInput, modality: str = "") -> Path:
        """Return where a mask is written; with a modality, that on the grid of its scan."""
        grid = f"_{modality}" if modality else ""
        return self.folder / f"{case.name}_seg{grid}.nii.gz"

    def dicom_path(self, case: CaseInput, ending: str) -> Path:
        """Return where a result in DICOM is written; for the endings see `reporting.endings`."""
        return self.folder / f"{case.name}_{ending}"

    def report_path(self, case: CaseInput) -> Path:
        return self.folder / f"{case.name}.json"

    def wants(self, made: Report | CaseRecord) -> bool:
        """Say whether a result is what would be made now."""
        return (
            made.model.checksum == self.model
            and made.label_convention == self.convention
            and made.provenance.networks == self.networks
            and made.provenance.views == self.views
        )

    def existing(self, case: CaseInput) -> CommandReport | None:
        """Return the report of a case that need not be done again: wanted, and of these scans.

        Reports of versions before 0.7 cannot be read, so that their cases are done again.
        """
        try:
            report = CommandReport.model_validate_json(self.report_path(case).read_bytes())
            wanted = self.wants(report) and report.prepare == self.prepare
            wanted = wanted and report.inputs_sha256 == case.digest()
        except (CaseError, OSError, ValueError):
            return None
        return report if wanted and self.mask_path(case).is_file() else None

    def keep(
        self,
        case: CaseInput,
        masks: Mapping[str, Path],
        dicom: Mapping[str, bytes],
        report: CommandReport,
    ) -> None:
        """Move finished masks to their places, and write the report, which comes last.

        masks : by modality of the scan on whose grid they are, "" for the reference
        dicom : results in DICOM by the ending of their names

        A report always belongs to the masks beside it, wherever this is interrupted.
        """
        partial = masks[""].with_name(f"{masks[''].name}.json")
        partial.write_text(report.model_dump_json(indent=2) + "\n")
        self.report_path(case).unlink(missing_ok=True)
        for modality in MODALITIES:
            self.mask_path(case, modality).unlink(missing_ok=True)
        for ending in ENDINGS:
            self.dicom_path(case, ending).unlink(missing_ok=True)
        for ending, content in dicom.items():
            self.dicom_path(case, ending).write_bytes(content)
        for modality, mask in masks.items():
            mask.replace(self.mask_path(case, modality))
        partial.replace(self.report_path(case))

    def write_table(self, outcomes: list[Outcome]) -> None:
        """Write one row for each case."""
        partial = self.folder / f".{TABLE}"
        try:
            with partial.open("w", encoding="utf-8", newline="") as file:
                rows = [_row(outcome) for outcome in outcomes]
                write_rows(file, [COLUMNS, *([row.get(key) for key in COLUMNS] for row in rows)])
            partial.replace(self.folder / TABLE)
        except OSError:
            partial.unlink(missing_ok=True)
            raise


def file_error(error: OSError) -> CaseError:
    """Return the error of a file that cannot be read or written."""
    # A path that is not UTF-8 could not be printed.
    text = str(error).encode(errors="replace").decode()
    return CaseError("file_error", text, "Check that it can be read or written.")


def _row(outcome: Outcome) -> dict[str, Any]:
    row: dict[str, Any] = {"case": outcome.case.name, "outcome": outcome.state}
    if outcome.error:
        return row | {"error": outcome.error.code, "message": outcome.error.message}
    report = outcome.report
    volumes = report.measurements.volumes_ml
    return row | {
        **{f"{key}_ml": rounded(ml, 3) for key, ml in volumes.items()},
        "missing": " ".join(report.missing_modalities),
        "warnings": " ".join(report.warnings),
        "device": report.device,
        "model": report.model.checksum,
    }
