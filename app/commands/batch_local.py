"""Segments cases on this machine; the next is read and the last written while the network runs."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.analysis import pipeline
from app.analysis.record import record_of
from app.commands.batch import CommandReport, Outcome, OutputFolder, file_error
from app.config import Settings
from app.intake.case_inputs import CaseInput
from app.reporting import report
from model.errors import CaseError
from model.inference.segmenter import Segmenter
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

    def _read(self, case: CaseInput) -> tuple[pipeline.Loaded, dict[str, str], str]:
        digest = case.digest()
        with tempfile.TemporaryDirectory(prefix=".brats-", dir=self.output.folder) as folder:
            files = case.scans(Path(folder), self.settings.max_unpacked_mb * 2**20)
            names = {modality: file.name for modality, file in files.items()}
            paths = {modality: file.path for modality, file in files.items()}
            return pipeline.load(paths, names=names, limits=self.settings.limits), names, digest

    def _segment(
        self, case: CaseInput, read: Future, watch: Watch
    ) -> tuple[pipeline.Analysis, CommandReport]:
        watch(case, "load", 0.0)
        loaded, names, digest = read.result()
        analysis = pipeline.analyse(
            self.segmenter,
            loaded,
            Options(mode=self.output.prepare),
            progress=lambda stage, share: watch(case, stage, share),
        )
        record = record_of(analysis, self.segmenter.card, self.output.convention, names)
        made = report.build(record, {"name": case.name})
        prepare = self.output.prepare
        return analysis, CommandReport(**dict(made), inputs_sha256=digest, prepare=prepare)

    def _write(self, case: CaseInput, found: tuple | CaseError) -> Outcome:
        """Write both results whole or not at all."""
        if isinstance(found, CaseError):
            return Outcome(case, "failed", error=found)
        analysis, made = found

        def write() -> None:
            with tempfile.TemporaryDirectory(prefix=".brats-", dir=self.output.folder) as folder:
                found = {"": (analysis.segmentation.labels, analysis.case.grid)}
                masks = {}
                for modality, (labels, grid) in (found | analysis.on_other_grids).items():
                    masks[modality] = Path(folder, f"mask_{modality}.nii.gz")
                    values = to_file_values(labels, self.output.convention)
                    write_mask(masks[modality], values, grid)
                self.output.keep(case, masks, made)

        problem = _attempt(case, write)
        if isinstance(problem, CaseError):
            return Outcome(case, "failed", error=problem)
        return Outcome(case, "done", made)


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
