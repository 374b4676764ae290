"""The report of a finished case as one A4 page, with all that the report page has; drawings by hand follow on others.

Whatever names and warnings are like, nothing runs into the footer: every text has a number of lines that
it may take and ends in dots where it needs more, and pictures give way. What is left of the page goes between the
sections.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from fpdf import FPDF

from app.reporting import rendering
from app.reporting.drawn_images import IN_A_ROW, drawn_rows
from app.reporting.key_images import KeyImage, look, picture_rows
from app.reporting.pdf_drawn import add_drawn
from app.reporting.pdf_pictures import draw_charts, draw_row
from app.reporting.pdf_text import (
    AMBER,
    FOOTER,
    INK,
    MARGIN,
    MUTED,
    RED,
    TEXT_FONT,
    TOP,
    WIDTH,
    beside,
    facts,
    footer,
    notice,
    row,
    rule,
    title,
    write,
)
from app.reporting.picture_row import PictureRow, picture_row
from app.reporting.report import RegionRow
from app.reporting.schemas import Report
from app.reporting.sheet import Facts, Sheet, number, sheet_of
from app.store.results import Results

# All lengths are in mm, sizes of letters in points.
# The highest and the lowest that a row of pictures gets, and the most that lies between sections.
HIGHEST, LOWEST, GAP, MOST_GAP = 72.0, 16.0, 1.6, 6.0
# What lies between the footer's line and the text above it.
ABOVE_FOOTER = 1.5
# Lines for one warning and for all of them, and how many are shown; lines for a name, and for a sentence.
WARNING_LINES, ALL_WARNING_LINES, MOST_WARNINGS = 3, 5, 5
NAME_LINES, NOTE_LINES = 2, 4
# Left and width of two columns, of regions and measurements and of other things.
MEASURED = ((MARGIN, 98.0), (MARGIN + 104.0, 82.0))
MADE = ((MARGIN, 64.0), (MARGIN + 68.0, 118.0))
LIMITS = ((MARGIN, 58.0), (MARGIN + 64.0, 122.0))


@dataclass(frozen=True)
class Pictures:
    """Rows of key images and of slices that were drawn on, and the slices in them as PNG."""

    results: Results
    rows: list[list[KeyImage]]
    drawn: list[list[KeyImage]]
    pngs: Mapping[KeyImage, bytes]


def to_pdf(
    report: Report, results: Results, scans: Mapping[KeyImage, np.ndarray] = MappingProxyType({})
) -> bytes:
    """Return one A4 page: measurements, key images of the three planes, features, provenance, limits.

    What was drawn by hand follows on further pages.
    scans : slices of key images at a window that a reader chose, see `windowed`
    """
    sheet, pictures = sheet_of(report), _pictures(report, results, scans)
    highest = [_row(pictures, images, HIGHEST).height for images in pictures.rows]
    # Drawn twice: how high the text gets is known when it has been set.
    _, sections, bottom = _page(sheet, pictures, HIGHEST, GAP)
    spare = FOOTER - ABOVE_FOOTER - bottom
    shrunk = min(highest) + min(0.0, spare) / len(highest)
    gap = min(MOST_GAP, GAP + max(0.0, spare) / sections)
    if shrunk < LOWEST:
        sheet = replace(sheet, lesions=_fewer(sheet.lesions))
    pdf, *_ = _page(sheet, pictures, max(LOWEST, shrunk) if spare < 0 else HIGHEST, gap)
    if sheet.drawn:
        rows = [
            picture_row(results, images, WIDTH * len(images) / IN_A_ROW, HIGHEST)
            for images in pictures.drawn
        ]
        add_drawn(pdf, sheet, rows, pictures.pngs)
    return bytes(pdf.output())


def _fewer(lesions: Facts) -> Facts:
    """Return one line, where there is no room for one a lesion."""
    return lesions if len(lesions) < 2 else [("Lesions", "One by one in the other reports")]


def _row(pictures: Pictures, images: list[KeyImage], highest: float) -> PictureRow:
    return picture_row(pictures.results, images, WIDTH, highest)


def _pictures(report: Report, results: Results, scans: Mapping[KeyImage, np.ndarray]) -> Pictures:
    found, drawn = report.measurements, report.annotations
    rows = picture_rows(found, report.modalities, drawn)
    on_drawn = drawn_rows(drawn, found, results.spacing_mm()) if drawn else []
    images = [image for row in (*rows, *on_drawn) for image in row]
    pngs = {image: _png(results, image, scans.get(image)) for image in images}
    return Pictures(results, rows, on_drawn, pngs)


def _png(results: Results, image: KeyImage, scan: np.ndarray | None) -> bytes:
    return rendering.render_png(results, image.plane, image.index, look(image.modality), scan)


def _page(sheet: Sheet, pictures: Pictures, highest: float, gap: float) -> tuple[FPDF, int, float]:
    """Return a page, how many gaps it has, and where its text ends.

    highest : of each row of pictures ; gap : between sections
    """
    pdf = FPDF(format="A4")
    pdf.set_title("Segmentation report")
    pdf.set_margin(MARGIN)
    pdf.c_margin = 0
    pdf.set_auto_page_break(False)
    pdf.add_page()
    pdf.set_y(TOP)
    _heading(pdf, sheet)
    sections: list[Callable[[FPDF, Sheet], None]] = [
        _notices,
        lambda pdf, sheet: _images(pdf, sheet, pictures, highest),
        _measured,
        *([_features] if sheet.features else []),
        *([_charts] if sheet.charts else []),
        _made,
        _limits,
    ]
    for section in sections:
        pdf.set_y(pdf.get_y() + gap)
        section(pdf, sheet)
    bottom = pdf.get_y()
    footer(pdf, sheet.disclaimer)
    return pdf, len(sections), bottom


def _heading(pdf: FPDF, sheet: Sheet) -> None:
    with beside(pdf) as columns:
        write(pdf, sheet.name, 13, "B", MARGIN, 112, most=2)
        write(pdf, sheet.subtitle, 8, "", MARGIN, 112, most=NAME_LINES, colour=MUTED)
        columns.next()
        facts(pdf, sheet.identity, MARGIN + 116, 70)
    pdf.set_y(pdf.get_y() + 1)
    rule(pdf, heavy=True)


def _notices(pdf: FPDF, sheet: Sheet) -> None:
    """Write what has to be known before the rest is read."""
    notice(pdf, [("B", sheet.disclaimer, 1), ("", sheet.origin, 2)], RED)
    if sheet.message:
        notice(pdf, [("B", sheet.message, 2)], AMBER)
    if sheet.warnings:
        notice(pdf, _fitting(sheet.warnings), AMBER)


def _fitting(warnings: Sequence[str]) -> list[tuple[str, str, int]]:
    """Return warnings with the lines that each may take, and how many more there are than there is room for."""
    shown = warnings if len(warnings) <= MOST_WARNINGS else warnings[: MOST_WARNINGS - 1]
    most = max(1, min(WARNING_LINES, ALL_WARNING_LINES // len(warnings)))
    parts = [("", f"Warning: {warning}", most) for warning in shown]
    if others := len(warnings) - len(shown):
        parts.append(("B", f"{others} more warnings stand in the other reports.", 1))
    return parts


def _images(pdf: FPDF, sheet: Sheet, pictures: Pictures, highest: float) -> None:
    for images in pictures.rows:
        draw_row(pdf, _row(pictures, images, highest), pictures.pngs)
        pdf.set_y(pdf.get_y() + 1)
    write(pdf, sheet.pictures_note, 7, colour=MUTED)


def _measured(pdf: FPDF, sheet: Sheet) -> None:
    (left, _), (right, width) = MEASURED
    with beside(pdf) as columns:
        title(pdf, "Regions", left)
        widths, align = (10.0, 43.0, 13.0, 16.0, 16.0), "LLRRR"
        names = ("", "Region", "mL", "% of brain", "Probability")
        row(pdf, [("", name) for name in names], widths, left, align=align, colour=MUTED)
        for found in sheet.regions:
            _region(pdf, found, widths, left, align)
        pdf.set_y(pdf.get_y() + 0.8)
        facts(pdf, sheet.lesions, left, sum(widths))
        columns.next()
        title(pdf, "Measurements", right)
        facts(pdf, sheet.measured, right, width, most=4)


def _region(pdf: FPDF, found: RegionRow, widths: Sequence[float], left: float, align: str) -> None:
    if found.short and found.colour:
        # The letters say what the colour does.
        with pdf.local_context(fill_color=found.colour):
            pdf.rect(left, pdf.get_y() + 0.5, 8.5, 3.4, "F")
        pdf.set_font(TEXT_FONT, "B", 7)
        pdf.set_text_color(*INK)
        middle = left + (8.5 - pdf.get_string_width(found.short)) / 2
        pdf.text(middle, pdf.get_y() + 3.1, found.short)
    style = "" if found.short else "B"
    values = (found.ml, found.percent, found.confidence)
    texts = ["", found.title, *(number(value, 2) for value in values)]
    row(pdf, [(style, text) for text in texts], widths, left, align=align)


def _features(pdf: FPDF, sheet: Sheet) -> None:
    title(pdf, "Features that follow from the mask")
    widths = (12.0, 33.0, 39.0, 102.0)
    names = ("VASARI", "Feature", "Found", "Definition")
    row(pdf, [("", name) for name in names], widths, MARGIN, size=7.5, colour=MUTED)
    for found in sheet.features:
        cells = (found.numbers, found.title, found.found, found.definition)
        row(pdf, [("", cell) for cell in cells], widths, MARGIN, size=7, most=2)
    pdf.set_y(pdf.get_y() + 0.6)
    write(pdf, sheet.features_note, 7, colour=MUTED)


def _charts(pdf: FPDF, sheet: Sheet) -> None:
    title(pdf, "Area of the whole tumour by slice")
    draw_charts(pdf, sheet.charts)


def _made(pdf: FPDF, sheet: Sheet) -> None:
    with beside(pdf) as columns:
        for (left, width), (name, rows) in zip(
            MADE, (("Sequences", sheet.sequences), ("How this was made", sheet.made)), strict=True
        ):
            columns.next()
            title(pdf, name, left)
            facts(pdf, rows, left, width, most=NAME_LINES)


def _limits(pdf: FPDF, sheet: Sheet) -> None:
    (left, width), (right, wide) = LIMITS
    with beside(pdf) as columns:
        title(pdf, "Accuracy of the model", left)
        if sheet.accuracy:
            widths, align = (30.0, 12.0, 16.0), "LRR"
            names = ("Region", "Dice", "HD95, mm")
            row(pdf, [("", name) for name in names], widths, left, align=align, colour=MUTED)
            for cells in sheet.accuracy:
                row(pdf, [("", cell) for cell in cells], widths, left, align=align)
            pdf.set_y(pdf.get_y() + 0.6)
        write(pdf, sheet.accuracy_note, 7, "", left, width, most=NOTE_LINES + 2, colour=MUTED)
        columns.next()
        title(pdf, "Limits", right)
        for text in sheet.limits:
            write(pdf, text, 7, "", right, wide, most=NOTE_LINES, colour=MUTED)
