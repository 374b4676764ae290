"""`flask segment`: cases from the shell, here or on the workers."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from app.commands.batch import Outcome, OutputFolder
from app.commands.batch_local import LocalBatch
from app.config import settings
from app.intake.case_inputs import CaseInput, case_name, listed
from app.intake.files import common_name
from app.store import database
from model.errors import CaseError
from model.io.modalities import MODALITIES, MOST_MISSING, missing_modalities
from model.labels import Convention
from model.preparation.plan import Mode

SCAN_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

SAME_NAME = CaseError(
    "duplicate_name",
    "Another case of this run has the same name.",
    "Segment it in a run of its own, into another folder.",
)


def init_app(app: Flask) -> None:
    app.cli.add_command(segment)


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
@click.option(
    "--prepare",
    type=click.Choice(get_args(Mode)),
    help="Register sequences and extract the brain: where needed (auto), never, or always.",
)
@click.option(
    "--batch",
    type=click.Path(exists=True, path_type=Path),
    help="Folder of cases, or a CSV with the columns name, and path or flair, t1, t1ce, t2; "
    "adds the table cases.csv to the results.",
)
@click.option("--again", is_flag=True, help="Do cases anew whose results are there already.")
@with_appcontext
def segment(cases, flair, t1, t1ce, t2, out, label_convention, prepare, batch, again) -> None:
    """Segment each CASE: a folder, a zip, or one case given as four files.

    A folder or zip holds NIfTI files, or a DICOM study, whose series are told apart by their headers.
    One of the four sequences may be missing, at a cost in accuracy that a warning states.
    Scans may have their skulls and lie on grids of their own: they are then registered to T1ce, and the
    brain is extracted. Writes <case>_seg.nii.gz, on the grid of T1ce, and <case>.json to the result folder;
    for scans on other grids also <case>_seg_<sequence>.nii.gz, and of a DICOM study <case>_seg.dcm,
    <case>_report.dcm and <case>_structures.dcm. A case whose results are there,
    of the same scans, by the same model and quality, is not done again. With BTS_BROKER_URL the workers
    do it. The exit code is 0 only if every case succeeded. Research use only, not a medical device.
    """
    files = dict(zip(MODALITIES, (flair, t1, t1ce, t2), strict=True))
    inputs = _case_inputs(cases, files, batch, out)
    convention = label_convention or settings().label_convention
    if settings().broker_url and convention != settings().label_convention:
        raise click.UsageError("Workers write masks as their BTS_LABEL_CONVENTION says.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"The result folder cannot be made: {error}") from error
    card = current_app.extensions["model"].card
    views, prepare = card.inference.views, prepare or settings().prepare
    output = OutputFolder(out, convention, card.checksum, card.networks, views, prepare)
    # Imported here: serving starts sooner without it.
    from app.commands.terminal import Terminal

    outcomes: list[Outcome] = []
    terminal = Terminal(len(inputs))
    try:
        with terminal:
            for outcome in _outcomes(inputs, output, terminal.advance, again):
                outcomes.append(outcome)
                terminal.tell(outcome)
    finally:
        # Also when the run is interrupted.
        tabled = not batch or _write_table(output, outcomes)
    terminal.sum_up(outcomes, out)
    sys.exit(0 if tabled and all(outcome.state != "failed" for outcome in outcomes) else 1)


def _write_table(output: OutputFolder, outcomes: list[Outcome]) -> bool:
    """Write the table of a batch; return whether that worked, and print why if not."""
    try:
        output.write_table(outcomes)
    except OSError as error:
        click.echo(f"The table of all cases was not written: {error}", err=True)
        return False
    return True


def _outcomes(
    inputs: list[CaseInput],
    output: OutputFolder,
    advance: Callable[[str, float], None],
    again: bool,
) -> Iterator[Outcome]:
    """Yield how each case ended; those that are done already or have the name of another come first."""
    names, todo, there = set(), [], []
    for case in inputs:
        report = None if again else output.existing(case)
        if case.name in names:
            yield Outcome(case, "failed", error=SAME_NAME)
        elif report is not None:
            there.append(case)
            yield Outcome(case, "there before", report)
        else:
            todo.append(case)
        names.add(case.name)
    ended = len(inputs) - len(todo)
    advance("", ended)

    def show(description: str, share: float) -> None:
        advance(description, ended + share)

    if settings().broker_url:
        # Imported here: only this needs Celery.
        from app.commands.batch_remote import RemoteBatch

        app = current_app._get_current_object()
        database.prepare(app)
        found = RemoteBatch(app, output, again).run(todo, there, show)
    elif todo:
        local = LocalBatch(current_app.extensions["model"].get(), output, settings())
        found = local.run(todo, lambda case, stage, share: show(f"{case.name}: {stage}", share))
    else:
        found = ()
    for outcome in found:
        ended += 1
        show("", 0.0)
        yield outcome


def _case_inputs(
    cases: tuple[Path, ...], files: dict[str, Path | None], batch: Path | None, out: Path
) -> list[CaseInput]:
    """Return the cases to be segmented. Raises click.UsageError."""
    given = {modality: path for modality, path in files.items() if path}
    missing = [f"--{modality}" for modality in missing_modalities(given)]
    if given and len(missing) > MOST_MISSING:
        needed = len(MODALITIES) - MOST_MISSING
        raise click.UsageError(
            f"At least {needed} files make a case; {', '.join(missing)} are missing."
        )
    inputs = [CaseInput(case_name(path), source=path) for path in cases]
    if given:
        name = common_name([case_name(path) for path in given.values()]) or "case"
        inputs.append(CaseInput(name, files=given))
    try:
        inputs += listed(batch, out) if batch else []
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if not inputs:
        raise click.UsageError("Name at least one folder or zip, or the files of a case.")
    return inputs
