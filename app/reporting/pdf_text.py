"""Text in a PDF, limited to a number of lines, and columns, tables and boxes of it. Lengths in mm, letters in points."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fpdf import FPDF
from fpdf.enums import MethodReturnValue, XPos, YPos

TEXT_FONT = "Helvetica"
# Left edge and width of what is written on an A4 page, its top, and where the footer begins.
MARGIN, WIDTH = 12.0, 186.0
TOP, FOOTER = 10.0, 283.0
LINE_MM_PER_PT = 0.44
# As on the page: text, titles of facts, rules, and the bar and ground of a notice.
INK, MUTED, RULE = (20, 24, 29), (85, 95, 106), (205, 211, 218)
RED, AMBER = ((138, 31, 17), (251, 238, 236)), ((168, 107, 0), (253, 245, 227))
BAR = 1.0
# Width of the titles of facts.
INDENT = 17.0


def footer(pdf: FPDF, text: str) -> None:
    """Write what stands at the end of each page."""
    pdf.set_y(FOOTER)
    rule(pdf)
    pdf.set_y(FOOTER + 1)
    write(pdf, text, 8.5, "B", align="C")


def write(
    pdf: FPDF,
    text: str,
    size: float,
    style: str = "",
    left: float = MARGIN,
    width: float | None = None,
    *,
    most: int = 1,
    align: str = "L",
    colour: tuple[int, int, int] = INK,
) -> int:
    """Write a text in at most `most` lines from the current height on; return how many it took.

    left, width : of the lines, by default up to the right margin
    """
    pdf.set_font(TEXT_FONT, style, size)
    pdf.set_text_color(*colour)
    width = width or MARGIN + WIDTH - left
    lines = fitted(pdf, text, width, most)
    for line in lines:
        pdf.set_x(left)
        height = size * LINE_MM_PER_PT
        pdf.cell(width, height, line, align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    return len(lines)


def fitted(pdf: FPDF, text: str, width: float, most: int) -> list[str]:
    """Return the lines of a text in the current font; dots stand for what `most` lines do not hold."""
    # The fonts that every PDF reader has know Latin letters only.
    shown = " ".join(text.split()).encode("latin-1", "replace").decode("latin-1")
    lines = pdf.multi_cell(width, text=shown, dry_run=True, output=MethodReturnValue.LINES)
    if len(lines) > most:
        lines = [*lines[: most - 1], _dotted(pdf, lines[most - 1], width)]
    return lines


def _dotted(pdf: FPDF, line: str, width: float) -> str:
    """Return a line shortened so that it and three dots fit into `width`."""
    while line and pdf.get_string_width(f"{line} ...") > width:
        line = line[:-1]
    return f"{line} ..."


def rule(pdf: FPDF, left: float = MARGIN, width: float = WIDTH, *, heavy: bool = False) -> None:
    """Draw a line at the current height."""
    with pdf.local_context(draw_color=INK if heavy else RULE, line_width=0.4 if heavy else 0.2):
        pdf.line(left, pdf.get_y(), left + width, pdf.get_y())


def notice(pdf: FPDF, parts: Sequence[tuple[str, str, int]], colours: tuple) -> None:
    """Write a tinted box with a bar at its left.

    parts : style, text and the lines that it may take, each from a line of its own
    """
    left, top, width, size = MARGIN + BAR + 2, pdf.get_y(), WIDTH - BAR - 4, 8.0
    lines = 0
    for style, text, most in parts:
        pdf.set_font(TEXT_FONT, style, size)
        lines += len(fitted(pdf, text, width, most))
    height = lines * size * LINE_MM_PER_PT + 2
    for fill, wide in zip(reversed(colours), (WIDTH, BAR), strict=True):
        with pdf.local_context(fill_color=fill):
            pdf.rect(MARGIN, top, wide, height, "F")
    pdf.set_y(top + 1)
    for style, text, most in parts:
        write(pdf, text, size, style, left, width, most=most)
    pdf.set_y(top + height + 1)


def title(pdf: FPDF, text: str, left: float = MARGIN) -> None:
    """Write the title of a section."""
    write(pdf, text, 9.5, "B", left)
    pdf.set_y(pdf.get_y() + 0.6)


def facts(
    pdf: FPDF, rows: Sequence[tuple[str, str]], left: float, width: float, *, most: int = 2
) -> None:
    """Write titles and their texts beside them."""
    for name, text in rows:
        top = pdf.get_y()
        write(pdf, name, 7.6, "", left, INDENT - 1, colour=MUTED)
        pdf.set_y(top)
        write(pdf, text, 7.6, "", left + INDENT, width - INDENT, most=most)
        pdf.set_y(pdf.get_y() + 0.2)


def row(
    pdf: FPDF,
    cells: Sequence[tuple[str, str]],
    widths: Sequence[float],
    left: float,
    *,
    size: float = 8,
    most: int = 1,
    align: Sequence[str] = (),
    colour: tuple[int, int, int] = INK,
) -> None:
    """Write one row of a table with a line below it; cells are style and text."""
    top, bottom = pdf.get_y() + 0.5, 0.0
    for place, ((style, text), width) in enumerate(zip(cells, widths, strict=True)):
        pdf.set_y(top)
        how = align[place] if align else "L"
        write(pdf, text, size, style, left, width - 1.5, most=most, align=how, colour=colour)
        left, bottom = left + width, max(bottom, pdf.get_y())
    pdf.set_y(bottom + 0.4)
    rule(pdf, left - sum(widths), sum(widths))


@contextmanager
def beside(pdf: FPDF) -> Iterator["Columns"]:
    """Lay out columns side by side; what follows goes on below the longest."""
    columns = Columns(pdf)
    yield columns
    columns.next()
    pdf.set_y(columns.bottom)


class Columns:
    """Columns that begin at one height."""

    def __init__(self, pdf: FPDF):
        self._pdf, self.top, self.bottom = pdf, pdf.get_y(), 0.0

    def next(self) -> None:
        """Go back to the top for the next column."""
        self.bottom = max(self.bottom, self._pdf.get_y())
        self._pdf.set_y(self.top)
