"""Key images and charts in a PDF, drawn where `picture_row` and `area_charts` say."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from fpdf import FPDF

from app.reporting.key_images import KeyImage
from app.reporting.pdf_text import INK, MARGIN, MUTED, TEXT_FONT, WIDTH
from app.reporting.picture_row import PictureRow, Placed, PlacedMark

# Between two charts, and their height, in mm.
CHART_GAP, CHART_HEIGHT = 6.0, 8.5
BAR_COLOUR, CHART_GROUND = (47, 110, 168), (244, 246, 248)
# As in the viewer (static/js/viewer/marker.js).
MARK_COLOURS, OTHER_MARKS = {"rano": (255, 255, 255)}, (142, 227, 255)


def draw_row(pdf: FPDF, row: PictureRow, pngs: Mapping[KeyImage, bytes]) -> None:
    """Draw a row of pictures from the current height on.

    pngs : the whole slice of each picture
    """
    top = pdf.get_y()
    for picture in row.pictures:
        _picture(pdf, picture, pngs[picture.image], top)
    pdf.set_y(top + row.height)


def _picture(pdf: FPDF, picture: Placed, png: bytes, top: float) -> None:
    box, shown, whole = picture.box, picture.shown, picture.whole
    with pdf.local_context(fill_color=0):
        pdf.rect(MARGIN + box.left, top, box.width, box.height, "F")
    with pdf.rect_clip(MARGIN + shown.left, top + shown.top, shown.width, shown.height):
        pdf.image(io.BytesIO(png), MARGIN + whole.left, top + whole.top, whole.width, whole.height)
        for mark in picture.marks:
            _mark(pdf, mark, top)
    pdf.set_font(TEXT_FONT, "B", 8)
    with pdf.local_context(text_color=255):
        pdf.text(MARGIN + box.left + 1.2, top + 3.4, picture.title)
        middle = top + picture.middle
        pdf.text(MARGIN + box.left + 1.2, middle, picture.letters["left"])
        wide = pdf.get_string_width(picture.letters["right"])
        pdf.text(MARGIN + box.left + box.width - 1.2 - wide, middle, picture.letters["right"])


def _mark(pdf: FPDF, mark: PlacedMark, top: float) -> None:
    # Light on black, to be seen in bright tissue too.
    for colour, width in ((0, 0.7), (MARK_COLOURS.get(mark.kind, OTHER_MARKS), 0.3)):
        with pdf.local_context(draw_color=colour, line_width=width):
            for line in mark.lines:
                pdf.polyline([(MARGIN + x, top + y) for x, y in line])
    if mark.label:
        pdf.set_font(TEXT_FONT, "B", 8)
        place = MARGIN + mark.x, top + mark.y
        with pdf.local_context(text_mode="STROKE", draw_color=0, line_width=0.7):
            pdf.text(*place, mark.label)
        with pdf.local_context(text_color=255):
            pdf.text(*place, mark.label)


def draw_charts(pdf: FPDF, charts: Sequence[dict[str, Any]]) -> None:
    """Draw the area per slice of each plane side by side."""
    top, width = pdf.get_y(), (WIDTH - 2 * CHART_GAP) / 3
    for column, chart in enumerate(charts):
        _chart(pdf, chart, MARGIN + column * (width + CHART_GAP), top, width)
    pdf.set_y(top + CHART_HEIGHT + 7)


def _chart(pdf: FPDF, chart: dict[str, Any], left: float, top: float, width: float) -> None:
    pdf.set_font(TEXT_FONT, size=7.5)
    pdf.set_text_color(*INK)
    pdf.text(left, top + 2.6, chart["plane"].capitalize())
    pdf.set_text_color(*MUTED)
    highest = f"max {chart['peak_cm2']:.1f} cm², slice {chart['peak'] + 1}"
    pdf.text(left + width - pdf.get_string_width(highest), top + 2.6, highest)
    base, step = top + 3.6 + CHART_HEIGHT, width / chart["count"]
    with pdf.local_context(fill_color=CHART_GROUND):
        pdf.rect(left, top + 3.6, width, CHART_HEIGHT, "F")
    with pdf.local_context(fill_color=BAR_COLOUR):
        for bar in chart["bars"]:
            height = CHART_HEIGHT * bar["share"]
            pdf.rect(left + bar["index"] * step, base - height, step, height, "F")
    with pdf.local_context(draw_color=INK, line_width=0.2):
        pdf.line(left, base, left + width, base)
    first, last = chart["ends"]
    pdf.text(left, base + 2.9, first)
    pdf.text(left + width - pdf.get_string_width(last), base + 2.9, last)
