"""Commands: `flask segment`, `flask demo-case`, `flask settings`."""

import json
import logging
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from app import archive, pipeline, report
from app.config import Settings, settings, settings_table
from app.upload import Received, assign, common_name, shown_name
from model.case import find_case_files
from model.errors import CaseError
from model.labels import Convention, to_file_values
from model.modalities import MODALITIES, MOST_MISSING, missing_modalities
from model.nifti import DISCLAIMER, write_mask
from model.phantom import write_demo_case
from model.segmenter import Segmenter

log = logging.getLogger(__name__)

PROGRESS_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    TextColumn("{task.fields[stage]}"),
    TimeElapsedColumn(),
)
SCAN_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True)
class Job:
    """One case to be segmented: its name, and where its scans come from."""

    name: str
    source: Path | None = None
    files: dict[str, Path] | None = None


@dataclass
class Run:
    """One call of `flask segment`: the model, where results go and how labels are written."""

    segmenter: Segmenter
    out: Path
    convention: Convention
    settings: Settings
    names: set[str] = field(default_factory=set)

    def segment(self, job: Job, progress: pipeline.Progress) -> pipeline.Analysis:
        """Segment one case, write its two files whole or not at all; return what was found.

        Raises CaseError.
        """
        if job.name in self.names:
            raise CaseError(
                "duplicate_name",
                "Another case of this run has the same name.",
                "Segment it in a run of its own, into another folder.",
            )
        self.names.add(job.name)
        with tempfile.TemporaryDirectory(prefix=".brats-", dir=self.out) as folder:
            files = _scans(job, Path(folder), self.settings)
            names = {modality: file.name for modality, file in files.items()}
            analysis = pipeline.analyse(
                self.segmenter,
                {modality: file.path for modality, file in files.items()},
                names=names,
                limits=self.settings.limits,
                progress=progress,
            )
            found = report.build(
                analysis, self.segmenter, self.convention, names, {"name": job.name}
            )
            self._write(Path(folder), job.name, analysis, found)
        return analysis

    def _write(
        self, folder: Path, name: str, analysis: pipeline.Analysis, found: dict[str, Any]
    ) -> None:
        """Write both results in `folder`, then move them to where they belong."""
        mask, text = f"{name}_seg.nii.gz", f"{name}.json"
        segmentation = analysis.segmentation
        values = to_file_values(segmentation.labels, self.convention)
        write_mask(folder / mask, values, segmentation.affine)
        (folder / text).write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        for result in (mask, text):
            (folder / result).replace(self.out / result)


def init_app(app: Flask) -> None:
    for command in (segment, demo_case, show_settings):
        app.cli.add_command(command)


@click.command("segment")
@click.argument("cases", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="CASE...")
@click.option("--flair", type=SCAN_FILE)
@click.option("--t1", type=SCAN_FILE)
@click.option("--t1ce", type=SCAN_FILE)
@click.option("--t2", type=SCAN_FILE)
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Result folder."
)
@click.option(
    "--label-convention",
    type=click.Choice(get_args(Convention)),
    help="Value of enhancing tumour: 4 (brats2021) or 3 (brats2023).",
)
@with_appcontext
def segment(cases, flair, t1, t1ce, t2, out: Path, label_convention: str | None) -> None:
    """Segment each CASE: a folder, a zip, or one case given as four files.

    One of the four sequences may be missing, at a cost in accuracy that a warning states.
    Writes <case>_seg.nii.gz and <case>.json to the result folder. The exit code is 0 only if
    every case succeeded. Research use only, not a medical device.
    """
    files = dict(zip(MODALITIES, (flair, t1, t1ce, t2), strict=True))
    jobs = _jobs(cases, files)
    out.mkdir(parents=True, exist_ok=True)
    run = Run(
        current_app.extensions["model"].get(),
        out,
        label_convention or settings().label_convention,
        settings(),
    )
    console = Console(stderr=True)
    with Progress(*PROGRESS_COLUMNS, console=console) as bars:
        succeeded = [_with_bar(run, job, bars) for job in jobs]
    console.print(f"{sum(succeeded)} of {len(jobs)} segmented, in {escape(str(out))}")
    console.print(DISCLAIMER)
    sys.exit(0 if all(succeeded) else 1)


@click.command("demo-case")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def demo_case(folder: Path) -> None:
    """Write the synthetic case, four scans and the true mask, into FOLDER."""
    for path in write_demo_case(folder).values():
        click.echo(path)


@click.command("settings")
def show_settings() -> None:
    """Print every setting with its default and meaning."""
    click.echo(settings_table())


def _jobs(cases: tuple[Path, ...], files: dict[str, Path | None]) -> list[Job]:
    """Return what is to be segmented. Raises click.UsageError."""
    given = {modality: path for modality, path in files.items() if path}
    missing = [f"--{modality}" for modality in missing_modalities(given)]
    if given and len(missing) > MOST_MISSING:
        needed = len(MODALITIES) - MOST_MISSING
        raise click.UsageError(
            f"At least {needed} files make a case; {', '.join(missing)} are missing."
        )
    jobs = [Job(_case_name(path), source=path) for path in cases]
    if given:
        name = common_name([_case_name(path) for path in given.values()]) or "case"
        jobs.append(Job(name, files=given))
    if not jobs:
        raise click.UsageError("Name at least one folder or zip, or the files of a case.")
    return jobs


def _case_name(path: Path) -> str:
    """Return a folder's name, or a file's without its suffixes."""
    path = path.resolve()
    if path.is_dir():
        return path.name
    name = path.name
    for suffix in (".gz", ".nii", ".zip"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return name


def _with_bar(run: Run, job: Job, bars: Progress) -> bool:
    """Segment one case under a progress bar of its own; return whether that worked."""
    bar = bars.add_task(escape(job.name), total=1.0, stage="")
    try:
        analysis = run.segment(
            job, lambda stage, share: bars.update(bar, completed=share, stage=stage)
        )
    except CaseError as error:
        problem = error
    except OSError as error:
        problem = CaseError("file_error", str(error), "Check that it can be read or written.")
    except Exception:
        log.exception("unforeseen error")
        problem = CaseError("internal_error", "Something went wrong here.", "See the log above.")
    else:
        bars.update(bar, completed=1.0, stage=f"done in {analysis.timings_s['total']:.1f} s")
        for warning in analysis.segmentation.warnings:
            bars.console.print(Text(f"{job.name}: {warning}", style="yellow"))
        return True
    bars.update(bar, stage="failed")
    concerned = f" ({problem.file})" if problem.file else ""
    text = f"{job.name}: {problem.code}: {problem.message}{concerned}\n  {problem.hint}"
    bars.console.print(Text(text, style="red"))
    return False


def _scans(job: Job, folder: Path, limits: Settings) -> dict[str, Received]:
    """Return the scans of a job by modality; a zip is unpacked into `folder`."""
    if job.source is None:
        paths = job.files
    elif job.source.is_dir():
        paths = find_case_files(job.source)
    elif archive.is_zip(job.source):
        max_bytes = limits.max_unpacked_mb * 2**20
        unpacked = archive.unpack(job.source, job.source.name, folder / "zip", max_bytes)
        return assign({}, [Received(shown_name(name), path) for name, path in unpacked])
    else:
        raise CaseError(
            "not_a_case",
            "This is neither a folder nor a zip.",
            "Name the files with --flair, --t1, --t1ce and --t2.",
            job.source.name,
        )
    return {modality: Received(path.name, path) for modality, path in paths.items()}
