"""Records with fields: warnings have codes, and what computed a result is no longer one sentence."""

import re
from typing import Any

import sqlalchemy as sa
from alembic import op

revision, down_revision = "v3", "v2"

# How the warnings of versions up to 0.6 begin or what they hold, by code.
WARNINGS = (
    ("missing_sequence", r"No \w+ was given\."),
    ("ct_values", r"\w+ has values far below 0"),
    ("exchanged_sequences", r"\w+ and \w+ look as if they had been exchanged"),
    ("orientation_unknown", r"The headers do not say how the head lies"),
    ("not_skull_stripped", r"The scans do not look skull-stripped"),
    ("resampled", r"The voxels are .* mm; the scans were resampled"),
    ("nothing_marked", r"The model marked no voxels\."),
)
COUNTS = {"two": 2, "three": 3, "four": 4}
INTERVALS = {"second": 2, "third": 3}
# What the record no longer holds: it is made from the row, or from other fields.
DROPPED = ("disclaimer", "case", "dates", "message", "label_values", "engine", "device", "mask")


def upgrade() -> None:
    cases = sa.table("cases", sa.column("id", sa.String), sa.column("report", sa.JSON))
    masks = sa.table(
        "masks",
        sa.column("case_id", sa.String),
        sa.column("number", sa.Integer),
        sa.column("findings", sa.JSON),
    )
    connection = op.get_bind()
    ids = connection.scalars(sa.select(cases.c.id).where(cases.c.report.is_not(None))).all()
    for case_id in ids:
        row = cases.c.id == case_id
        report = connection.scalar(sa.select(cases.c.report).where(row))
        if report:
            connection.execute(sa.update(cases).where(row).values(report=record(report)))
    keys = connection.execute(sa.select(masks.c.case_id, masks.c.number)).all()
    for case_id, number in keys:
        row = sa.and_(masks.c.case_id == case_id, masks.c.number == number)
        findings = connection.scalar(sa.select(masks.c.findings).where(row))
        if findings:
            values = {
                "measurements": findings["measurements"],
                "warnings": warnings(findings.get("warnings", [])),
            }
            connection.execute(sa.update(masks).where(row).values(findings=values))


def record(report: dict[str, Any]) -> dict[str, Any]:
    """Return the report of a version up to 0.6 as a record."""
    kept = {key: value for key, value in report.items() if key not in DROPPED}
    return kept | {
        "warnings": warnings(report.get("warnings", [])),
        "provenance": provenance(report.get("engine", ""), report.get("device", "")),
    }


def warnings(texts: list[str]) -> list[dict[str, str]]:
    """Return each warning with its code; "unclassified" for a sentence that is not known."""
    return [
        {
            "code": next((c for c, known in WARNINGS if re.match(known, text)), "unclassified"),
            "text": text,
        }
        for text in texts
    ]


def provenance(engine: str, device: str) -> dict[str, Any]:
    """Return the parts of "CPU: name, bf16; two networks; every second axial, coronal slice"."""
    first, *rest = device.split("; ")
    name, _, precision = first.rpartition(", ")
    networks = next((part for part in rest if part.endswith(" networks")), "")
    views = next((part for part in rest if part.endswith(("slice", "slices"))), "")
    count = networks.removesuffix(" networks")
    found = re.fullmatch(r"(?:every (\w+) )?(.*?)( and mirrored)? slices?", views)
    every, planes, mirrored = found.groups() if found else (None, "", None)
    return {
        "engine": engine,
        "device": name or first,
        "precision": precision if name else "",
        "networks": COUNTS.get(count) or (int(count) if count.isdecimal() else 1),
        "views": {
            "planes": planes.split(", ") if planes else [],
            "interval": INTERVALS.get(every or "") or int(re.sub(r"\D", "", every or "") or 1),
            "mirrored": bool(mirrored),
        },
    }
