"""What a promise is: a hazard, what the app does about it, and the test that shows it."""

from typing import NamedTuple


class Row(NamedTuple):
    """One promise; `test` is the id by which pytest knows the test."""

    hazard: str
    answer: str
    test: str


class Section(NamedTuple):
    """One table of docs/hazards.md, with the text above it."""

    title: str
    text: str
    rows: list[Row]


def rows(file: str, *promises: tuple[str, str, str]) -> list[Row]:
    """Return rows whose tests are all in one file; a promise is hazard, answer, name of the test."""
    return [Row(hazard, answer, f"{file}::{test}") for hazard, answer, test in promises]
