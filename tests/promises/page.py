"""docs/hazards.md: every hazard with its answer and its test."""

import textwrap
from pathlib import Path

from tests.promises.access import ACCESS, PRIVACY, WEB
from tests.promises.dicom import DICOM
from tests.promises.dicom_node import NODE
from tests.promises.failures import CRASHES, DATABASE, DISK, WORKERS
from tests.promises.row import Section
from tests.promises.supply_chain import SUPPLY_CHAIN
from tests.promises.uploads import LIMITS, NAMES, UPLOADS

PAGE = Path(__file__).parents[2] / "docs" / "hazards.md"
SECTIONS = (
    UPLOADS,
    NAMES,
    LIMITS,
    DICOM,
    NODE,
    CRASHES,
    WORKERS,
    DATABASE,
    DISK,
    ACCESS,
    WEB,
    PRIVACY,
    SUPPLY_CHAIN,
)
ROWS = [row for section in SECTIONS for row in section.rows]


def as_markdown() -> str:
    """Return the page."""
    return f"""# Hazards

Written by `python -m tests.promises`; do not edit by hand.

What can go wrong, what the app does about it, and the test that shows it. [SECURITY.md](../SECURITY.md)
sums this up. To run the test of a row: `.venv/bin/pytest "TEST"`.

{chr(10).join(map(_table, SECTIONS))}"""


def _table(section: Section) -> str:
    lines = [f"## {section.title}", ""]
    lines += [textwrap.fill(section.text, 100), ""] if section.text else []
    lines += ["| hazard | answer | test |", "|---|---|---|"]
    lines += [f"| {row.hazard} | {row.answer} | `{row.test}` |" for row in section.rows]
    return "\n".join([*lines, ""])
