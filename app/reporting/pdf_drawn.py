"""Pages of a PDF with what readers drew: the slices that it lies in, and a table."""

from collections.abc import Mapping, Sequence

from fpdf import FPDF

from app.reporting.key_images import KeyImage
from app.reporting.pdf_pictures import draw_row
from app.reporting.pdf_text import FOOTER, MARGIN, MUTED, TOP, footer, row, rule, title, write
from app.reporting.picture_row import PictureRow
from app.reporting.sheet import Sheet

# Number, tool, slice, sequence, and what it measures, in mm.
WIDTHS = (10.0, 26.0, 26.0, 22.0, 102.0)
NAMES = ("No.", "Tool", "Slice", "Sequence", "Found")
# The most that a row of the table takes, in lines and in mm.
LINES, ROW_MM = 3, 14.0


def add_drawn(
    pdf: FPDF, sheet: Sheet, rows: Sequence[PictureRow], pngs: Mapping[KeyImage, bytes]
) -> None:
    """Add as many pages as what was drawn takes."""
    _begin(pdf, sheet)
    for pictures in rows:
        _have_room(pdf, sheet, pictures.height)
        draw_row(pdf, pictures, pngs)
        pdf.set_y(pdf.get_y() + 2)
    write(pdf, sheet.drawn_note, 7, most=2, colour=MUTED)
    pdf.set_y(pdf.get_y() + 2)
    _have_room(pdf, sheet, 2 * ROW_MM)
    _head(pdf)
    for found in sheet.drawn:
        if _have_room(pdf, sheet, ROW_MM):
            _head(pdf)
        cells = (found.number, found.tool, found.place, found.sequence, found.found)
        row(pdf, [("", cell) for cell in cells], WIDTHS, MARGIN, most=LINES)


def _begin(pdf: FPDF, sheet: Sheet) -> None:
    pdf.add_page()
    footer(pdf, sheet.disclaimer)
    pdf.set_y(TOP)
    write(pdf, sheet.name, 13, "B", most=1)
    pdf.set_y(pdf.get_y() + 1)
    rule(pdf, heavy=True)
    pdf.set_y(pdf.get_y() + 2)
    title(pdf, "Drawn by hand")


def _have_room(pdf: FPDF, sheet: Sheet, height: float) -> bool:
    """Begin another page where the current one has less than `height` mm left; say whether it did."""
    if pdf.get_y() + height <= FOOTER:
        return False
    _begin(pdf, sheet)
    return True


def _head(pdf: FPDF) -> None:
    row(pdf, [("", name) for name in NAMES], WIDTHS, MARGIN, colour=MUTED)
