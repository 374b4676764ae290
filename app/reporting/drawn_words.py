"""What readers drew, in words, the same in all reports. Only Latin-1 letters, which the PDF's fonts are limited to."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.analysis.drawn import Drawn
from app.reporting.drawn_images import MOST_IMAGES
from model.io.modalities import TITLES

TOOLS = {
    "ruler": "Ruler",
    "angle": "Angle",
    "ellipse": "Ellipse",
    "arrow": "Arrow",
    "rano": "RANO lines",
}
NOTE = (
    "Drawn by hand; numbers as in the pictures. Two rulers in one slice are a RANO pair. Ellipses: area, then mean and "
    "range of the sequence's own intensities."
)
SOME = f"Pictures of the first {MOST_IMAGES} slices."


@dataclass(frozen=True)
class DrawnRow:
    """One thing that was drawn: its number, tool, slice and sequence, and what it measures or says."""

    number: str
    tool: str
    place: str
    sequence: str
    found: str


def drawn_rows_in_words(drawn: Sequence[Drawn]) -> list[DrawnRow]:
    """Return a row for each thing that was drawn."""
    return [
        DrawnRow(
            str(item.number),
            TOOLS[item.kind],
            f"{item.plane.capitalize()} {item.slice + 1}",
            TITLES[item.modality],
            found(item),
        )
        for item in drawn
    ]


def note(drawn: Sequence[Drawn]) -> str:
    """Return what has to be known to read the table and its pictures."""
    slices = {(item.plane, item.slice, item.modality) for item in drawn}
    return f"{NOTE} {SOME}" if len(slices) > MOST_IMAGES else NOTE


def moved_rano(drawn: Sequence[Drawn]) -> str:
    """Return the RANO diameters as a reader moved them, "" where nobody did."""
    return next(
        (
            f"{found(item)} in {item.plane} slice {item.slice + 1}"
            for item in drawn
            if item.kind == "rano"
        ),
        "",
    )


def found(item: Drawn) -> str:
    """Return what something drawn measures or says."""
    if item.kind == "angle":
        return f"{item.angle_deg:.1f}°"
    if item.kind == "arrow":
        return item.text or "-"
    if item.kind == "rano":
        return _product(item)
    if item.kind == "ellipse":
        return _ellipse(item)
    pair = f"; with {item.pair_with} a pair: {_product(item)}" if item.pair_with else ""
    return f"{item.length_mm:.1f} mm{pair}"


def _product(item: Drawn) -> str:
    return f"{item.longest_mm:.1f} × {item.perpendicular_mm:.1f} mm = {item.product_mm2:.0f} mm²"


def _ellipse(item: Drawn) -> str:
    area = f"{item.area_mm2 / 100:.2f} cm²"
    if item.mean is None:
        return area
    mean, lowest, highest = map(_intensity, (item.mean, item.lowest, item.highest))
    return f"{area}, mean {mean}, {lowest} to {highest}"


def _intensity(value: float) -> str:
    """Return an intensity with four digits that count, whole where it is large."""
    return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"
