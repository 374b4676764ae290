"""The output of `flask segment`: a progress bar, warnings as they come, and a summary."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from app.commands.batch import Outcome
from model.io.nifti import DISCLAIMER


class Terminal:
    """Shows the progress bar while the block runs."""

    def __init__(self, total: int):
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._bar = self._bars.add_task("", total=total)

    def __enter__(self) -> "Terminal":
        self._bars.start()
        return self

    def __exit__(self, *_) -> None:
        self._bars.stop()

    def advance(self, description: str, completed: float) -> None:
        """Show how many cases are completed, including fractions, and what is being done."""
        self._bars.update(self._bar, description=escape(description), completed=completed)

    def tell(self, outcome: Outcome) -> None:
        """Print the warnings of a finished case; failures are printed at the end."""
        if outcome.state == "done":
            for warning in outcome.report.warnings:
                self._console.print(Text(f"{outcome.case.name}: {warning}", style="yellow"))

    def sum_up(self, outcomes: list[Outcome], out: Path) -> None:
        """Print the failures, and how many cases ended how."""
        for outcome in outcomes:
            if problem := outcome.error:
                concerned = f" ({problem.file})" if problem.file else ""
                text = f"{outcome.case.name}: {problem.code}: {problem.message}{concerned}"
                self._console.print(Text(f"{text}\n  {problem.hint}", style="red"))
        before = sum(outcome.state == "there before" for outcome in outcomes)
        good = sum(outcome.state != "failed" for outcome in outcomes)
        note = f", {before} of them before" if before else ""
        self._console.print(f"{good} of {len(outcomes)} segmented{note}, in {escape(str(out))}")
        self._console.print(DISCLAIMER)
