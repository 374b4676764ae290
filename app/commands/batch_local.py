"""Cases by command on this machine: the next one is read and the last one written meanwhile."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.analysis import pipeline
from app.commands.batch import Job, Outcome, Results, file_error, scans_of
from app.config import Settings
from app.reporting import report
from model.errors import CaseError
from model.inference.segmenter import Segmenter
from model.io.nifti import write_mask
from model.labels import to_file_values

log = logging.getLogger(__name__)

# Told of the job that is at work, its stage and the share of it that is done, 0 to 1.
Watch = Callable[[Job, str, float], None]


@dataclass(frozen=True)
class LocalBatch:
    """Segments jobs one after another with the model of this process."""

    segmenter: Segmenter
    results: Results
    settings: Settings

    def run(self, jobs: list[Job], watch: Watch) -> Iterator[Outcome]:
        """Yield how each job ended, in their order; one failure stops none of the others."""
        with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
            ahead = reader.submit(self._read, jobs[0]) if jobs else None
            written: Future[Outcome] | None = None
            for number, job in enumerate(jobs):
                read, ahead = ahead, None
                if number + 1 < len(jobs):
                    ahead = reader.submit(self._read, jobs[number + 1])
                found = _attempt(job, lambda read=read, job=job: self._segment(job, read, watch))
                if written is not None:
                    yield written.result()
                written = writer.submit(self._write, job, found)
            if written is not None:
                yield written.result()

    def _read(self, job: Job) -> tuple[pipeline.Loaded, dict[str, str], str]:
        digest = job.digest()
        with tempfile.TemporaryDirectory(prefix=".brats-", dir=self.results.folder) as folder:
            files = scans_of(job, Path(folder), self.settings)
            names = {modality: file.name for modality, file in files.items()}
            paths = {modality: file.path for modality, file in files.items()}
            return pipeline.load(paths, names=names, limits=self.settings.limits), names, digest

    def _segment(self, job: Job, read: Future, watch: Watch) -> tuple[pipeline.Analysis, Any]:
        watch(job, "load", 0.0)
        loaded, names, digest = read.result()
        analysis = pipeline.analyse_loaded(
            self.segmenter, loaded, lambda stage, share: watch(job, stage, share)
        )
        convention, who = self.results.convention, {"name": job.name}
        made = report.build(analysis, self.segmenter, convention, names, who)
        return analysis, made | {"inputs_sha256": digest}

    def _write(self, job: Job, found: tuple | CaseError) -> Outcome:
        """Write both results whole or not at all."""
        if isinstance(found, CaseError):
            return Outcome(job, "failed", error=found)
        analysis, made = found

        def write() -> None:
            with tempfile.TemporaryDirectory(prefix=".brats-", dir=self.results.folder) as folder:
                mask, segmentation = Path(folder, "mask.nii.gz"), analysis.segmentation
                values = to_file_values(segmentation.labels, self.results.convention)
                write_mask(mask, values, analysis.case.grid)
                self.results.keep(job, mask, made)

        problem = _attempt(job, write)
        if isinstance(problem, CaseError):
            return Outcome(job, "failed", error=problem)
        return Outcome(job, "done", made)


def _attempt(job: Job, action: Callable[[], Any]) -> Any:
    """Return what an action returns, or what stood in its way as a CaseError."""
    try:
        return action()
    except CaseError as error:
        return error
    except OSError as error:
        return file_error(error)
    except Exception:
        log.exception("unforeseen error")
        return CaseError("internal_error", "Something went wrong here.", "See the log above.")
