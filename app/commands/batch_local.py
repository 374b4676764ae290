"""Segments cases on this machine; the next is read and the last written while the network runs."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.analysis import pipeline
from app.analysis.record import CaseRecord, record_of
from app.commands.batch import CommandReport, Outcome, OutputFolder, file_error
from app.config import Settings
from app.intake.case_inputs import CaseInput
from app.intake.files import names_of, paths_of
from app.reporting import report
from model.errors import CaseError
from model.inference.segmenter import Segmentation, Segmenter
from model.io.dicom.source import Source
from model.io.nifti import write_mask
from model.labels import to_file_values
from model.preparation.plan import Options

log = logging.getLogger(__name__)

# Called with the case in hand, its stage and the share of it that is done, 0 to 1.
Watch = Callable[[CaseInput, str, float], None]


@dataclass(frozen=True)
class LocalBatch:
    """Segments cases one after another with the model of this process."""

    segmenter: Segmenter
    output: OutputFolder
    settings: Settings

    def run(self, inputs: list[CaseInput], watch: Watch) -> Iterator[Outcome]:
        """Yield how each case ended, in order; a failure does not stop the others."""
        with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
            ahead = reader.submit(self._read, inputs[0]) if inputs else None
            written: Future[Outcome] | None = None
            for number, case in enumerate(inputs):
                read, ahead = ahead, None
                if number + 1 < len(inputs):
                    ahead = reader.submit(self._read, inputs[number + 1])
                found = _attempt(
                    case, lambda read=read, case=case: self._segment(case, read, watch)
                )
                if written is not None:
                    yield written.result()
                written = writer.submit(self._write, case, found)
            if written is not None:
                yield written.result()

    def _read(self, case: CaseInput) -> "_Read":
        digest, limits = case.digest(), self.settings.limits
        with tempfile.TemporaryDirectory(prefix=".brats-", dir=self.output.folder) as folder:
            most = self.settings.max_unpacked_mb * 2**20
            given = case.scans(Path(folder), most, self.output.prepare, limits)
            names = names_of(given.files)
            loaded = pipeline.load(
                paths_of(given.files),
                names=names,
                limits=limits,
                origin=given.origin,
                warnings=given.warnings,
            )
            return _Read(loaded, names, digest, given.study and given.study.source)

    def _segment(self, case: CaseInput, read: Future, watch: Watch) -> "_Made":
        watch(case, "load", 0.0)
        found: _Read = read.result()
        analysis = pipeline.analyse(
            self.segmenter,
            found.loaded,
            Options(mode=self.output.prepare),
            progress=lambda stage, share: watch(case, stage, share),
        )
        record = record_of(analysis, self.segmenter.card, self.output.convention, found.names)
        made = report.build(record, {"name": case.name})
        prepare = self.output.prepare
        made = CommandReport(**dict(made), inputs_sha256=found.digest, prepare=prepare)
        return _Made(analysis, made, self._dicom(record, analysis.segmentation, found))

    def _dicom(
        self, record: CaseRecord, segmentation: Segmentation, read: "_Read"
    ) -> dict[str, bytes]:
        """Return the results in DICOM by the ending of their names; none where there is no series to refer to."""
        if read.source is None:
            return {}
        # Imported here: highdicom takes a second of the start.
        from app.reporting.dicom_common import ResultIdentity
        from app.reporting.dicom_results import DicomResults

        source_uid = str(read.source.first.SeriesInstanceUID)
        how = f"{self.output.prepare} {record.provenance.text}"
        identity = ResultIdentity(read.digest, source_uid, record.model, made=how)
        labels, affine = segmentation.labels, segmentation.affine
        return DicomResults(labels, affine, record, read.source, identity).files()

    def _write(self, case: CaseInput, found: "_Made | CaseError") -> Outcome:
        """Write all results whole or not at all."""
        if isinstance(found, CaseError):
            return Outcome(case, "failed", error=found)
        analysis = found.analysis

        def write() -> None:
            with tempfile.TemporaryDirectory(prefix=".brats-", dir=self.output.folder) as folder:
                grids = {"": (analysis.segmentation.labels, analysis.case.grid)}
                masks = {}
                for modality, (labels, grid) in (grids | analysis.on_other_grids).items():
                    masks[modality] = Path(folder, f"mask_{modality}.nii.gz")
                    values = to_file_values(labels, self.output.convention)
                    write_mask(masks[modality], values, grid)
                self.output.keep(case, masks, found.dicom, found.report)

        problem = _attempt(case, write)
        if isinstance(problem, CaseError):
            return Outcome(case, "failed", error=problem)
        return Outcome(case, "done", found.report)


@dataclass(frozen=True)
class _Read:
    """A case that was read: names by modality, hash of its files, and the DICOM series to refer to."""

    loaded: pipeline.Loaded
    names: dict[str, str]
    digest: str
    source: Source | None


@dataclass(frozen=True)
class _Made:
    """What was made of a case; `dicom` has contents of files by the ending of their names."""

    analysis: pipeline.Analysis
    report: CommandReport
    dicom: dict[str, bytes]


def _attempt(case: CaseInput, action: Callable[[], Any]) -> Any:
    """Return what an action returns; if it raises, return a CaseError that says why."""
    try:
        return action()
    except CaseError as error:
        return error
    except OSError as error:
        return file_error(error)
    except Exception:
        log.exception("unforeseen error")
        return CaseError("internal_error", "Something went wrong here.", "See the log above.")
