"""One quantity over the examinations of a patient, as a line: plain data, which templates draw."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from app.reporting.patient_schemas import PatientExamination

# Labels of dates nearer to the one before than this share of the width would touch it.
LABEL_DISTANCE_PERCENT = 17.0
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
MOST_STEPS = 4
QUANTITIES = (
    ("enhancing", "Enhancing tumour", "mL", 1),
    ("whole_tumor", "Whole tumour", "mL", 1),
    ("product_mm2", "RANO product", "mm²", 0),
)


@dataclass(frozen=True)
class Dot:
    """One examination; x and y in per cent of the drawing, from the left and the top."""

    id: str
    x: float
    y: float
    text: str
    label: str
    baseline: bool
    nadir: bool


@dataclass(frozen=True)
class Timeline:
    """A line from dot to dot. `ticks` are (y in per cent, text)."""

    key: str
    title: str
    unit: str
    dots: tuple[Dot, ...]
    ticks: tuple[tuple[float, str], ...]


def timelines(rows: Sequence[PatientExamination], baseline: str | None) -> list[Timeline]:
    """Return a line for each quantity that is drawn, none where there are fewer than two examinations.

    rows : those with results, in their order. They lie apart as their dates do, evenly where one is not known.
    """
    if len(rows) < 2:
        return []
    places = _places(rows)
    return [_timeline(rows, places, baseline, *quantity) for quantity in QUANTITIES]


def when(row: PatientExamination) -> str:
    """Return the date of an examination, else its session, else the day of the upload."""
    if row.study_date:
        return row.study_date.isoformat()
    return f"ses-{row.session}" if row.session else f"uploaded {row.uploaded:%Y-%m-%d}"


def _timeline(
    rows: Sequence[PatientExamination],
    places: Sequence[float],
    baseline: str | None,
    key: str,
    title: str,
    unit: str,
    digits: int,
) -> Timeline:
    values = [row.followed.values[key] for row in rows]
    top, step = _scale(max((value for value in values if value is not None), default=0.0))
    start = next((at for at, row in enumerate(rows) if row.id == baseline), 0)
    after = [at for at in range(start, len(rows)) if values[at] is not None]
    nadir = min(after, key=lambda at: values[at]) if after else None
    labels = _labels(rows, places)
    dots = tuple(
        Dot(
            id=row.id,
            x=round(x, 2),
            y=round(100 - 100 * value / top, 2),
            text=f"{when(row)}: {value:.{digits}f} {unit}",
            label=label,
            baseline=row.id == baseline,
            nadir=at == nadir,
        )
        for at, (row, x, value, label) in enumerate(zip(rows, places, values, labels, strict=True))
        if value is not None
    )
    count = round(top / step)
    ticks = tuple((round(100 - 100 * at / count, 2), f"{at * step:g}") for at in range(count + 1))
    return Timeline(key, title, unit, dots, ticks)


def _places(rows: Sequence[PatientExamination]) -> list[float]:
    """Return where the examinations lie, in per cent from the left."""
    days = [row.study_date and row.study_date.toordinal() for row in rows]
    if None in days or days[0] == days[-1]:
        days = list(range(len(rows)))
    return [100 * (day - days[0]) / (days[-1] - days[0]) for day in days]


def _labels(rows: Sequence[PatientExamination], places: Sequence[float]) -> list[str]:
    """Return the texts below the examinations, empty where one would touch the next; the last one has one."""
    found, right = [], 200.0
    for row, x in reversed(list(zip(rows, places, strict=True))):
        free = right - x >= LABEL_DISTANCE_PERCENT
        found.append(
            (row.study_date.strftime("%Y-%m") if row.study_date else when(row)) if free else ""
        )
        right = x if free else right
    return found[::-1]


def _scale(highest: float) -> tuple[float, float]:
    """Return the value at the top of a drawing, and the step of its ticks: at most four round ones."""
    if highest <= 0:
        return 1.0, 1.0
    power = 10 ** floor(log10(highest / MOST_STEPS))
    step = next(power * one for one in STEPS if power * one * MOST_STEPS >= highest)
    return step * ceil(highest / step), step
