"""Text in a PDF, limited to a number of lines."""

from fpdf import FPDF
from fpdf.enums import MethodReturnValue, XPos, YPos

TEXT_FONT = "Helvetica"
# Left edge and width of what is written on an A4 page, in mm.
MARGIN, WIDTH = 15.0, 180.0
LINE_MM_PER_PT = 0.44


def write(
    pdf: FPDF,
    text: str,
    size: float,
    style: str = "",
    left: float = MARGIN,
    width: float | None = None,
    *,
    most: int = 1,
) -> int:
    """Write a text in at most `most` lines from the current height on; return how many it took.

    size : in points; left, width : of the lines in mm, by default up to the right margin
    """
    pdf.set_font(TEXT_FONT, style, size)
    width = width or MARGIN + WIDTH - left
    # The fonts that every PDF reader has know Latin letters only.
    shown = " ".join(text.split()).encode("latin-1", "replace").decode("latin-1")
    lines = pdf.multi_cell(width, text=shown, dry_run=True, output=MethodReturnValue.LINES)
    if len(lines) > most:
        lines = [*lines[: most - 1], _dotted(pdf, lines[most - 1], width)]
    for line in lines:
        pdf.set_x(left)
        pdf.cell(width, size * LINE_MM_PER_PT, line, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    return len(lines)


def _dotted(pdf: FPDF, line: str, width: float) -> str:
    """Return a line shortened so that it and three dots fit into `width`."""
    while line and pdf.get_string_width(f"{line} ...") > width:
        line = line[:-1]
    return f"{line} ..."
