"""The report of a finished case as one A4 page.

Whatever names and warnings are like, nothing runs into the footer: every text has a number of lines that
it may take, and ends in dots where it needs more.
"""

import io
from collections.abc import Sequence

from fpdf import FPDF, FontFace

from app.analysis.measurements import Measurements
from app.reporting import rendering, wording
from app.reporting.charts import area_charts
from app.reporting.key_images import Frame, KeyImage, frames, key_images, look
from app.reporting.pdf_text import MARGIN, TEXT_FONT, WIDTH, write
from app.reporting.report import accuracy_rows, region_rows
from app.reporting.schemas import Report
from app.store.results import Results
from model.io.modalities import MODALITIES, TITLES

# All lengths are in mm, sizes of letters in points.
FOOTER = 283.0
# The highest that the row of pictures gets, and what lies between two of them.
PICTURE_HEIGHT, PICTURE_GAP = 60.0, 2.0
# Width of each of three charts, what lies between two, and their height.
CHART_WIDTH, CHART_GAP, CHART_HEIGHT = 57.0, 4.5, 10.0
# Left and width of the two columns below the charts.
COLUMNS = ((MARGIN, 76.0), (MARGIN + 80.0, 100.0))
# Lines for one warning, and for all of them.
WARNING_LINES, ALL_WARNING_LINES = 3, 6
# Lines for what a file, a model or a device is called, and for a sentence below them.
NAME_LINES, NOTE_LINES = 2, 5
BAR_COLOUR, WARNING_COLOUR = (47, 110, 168), (168, 107, 0)


def to_pdf(report: Report, results: Results) -> bytes:
    """Return one A4 page: measurements, key images of the three planes, provenance, limits."""
    pdf = FPDF(format="A4")
    pdf.set_title("Segmentation report")
    pdf.set_margin(MARGIN)
    pdf.c_margin = 0
    pdf.set_auto_page_break(False)
    pdf.add_page()
    measurements = report.measurements
    _heading(pdf, report)
    _images(pdf, report.modalities, measurements, results)
    _regions(pdf, measurements)
    _findings(pdf, measurements, report.geometry.brain_centre_mm)
    _charts(pdf, measurements)
    names = ("Sequences", _sequences(report)), ("How this was made", _provenance(report))
    _columns(pdf, names, NAME_LINES)
    limits = "Limits", wording.limits(report.mask, report.accuracy)
    _columns(pdf, (("Accuracy of the model", _accuracy(report)), limits), NOTE_LINES)
    pdf.set_y(FOOTER)
    write(pdf, report.disclaimer, 9, "B")
    return bytes(pdf.output())


def _heading(pdf: FPDF, report: Report) -> None:
    """Write what the page is, whose it is, and what has to be known before it is read."""
    case, dates = report.case, report.dates or ()
    write(pdf, "Brain tumour segmentation", 15, "B")
    write(pdf, case["name"], 11, "B")
    parts = [f"{name.capitalize()} {wording.time(at)}" for name, at in dates if at]
    parts += [f"Case {case['id']}"] if "id" in case else []
    write(pdf, " · ".join(parts), 8, most=2)
    pdf.ln(1)
    write(pdf, f"{report.disclaimer} {wording.origin(report.mask)}", 8.5, "B", most=2)
    if report.message:
        write(pdf, f"{report.message} {wording.NO_STATEMENT}", 9, "B", most=2)
    _warnings(pdf, wording.other_warnings(report.warning_details))
    pdf.ln(2)


def _warnings(pdf: FPDF, warnings: Sequence[str]) -> None:
    """Write warnings beside a bar, and how many more there are than there is room for."""
    pdf.ln(1)
    top, room = pdf.get_y(), ALL_WARNING_LINES
    for number, warning in enumerate(warnings):
        others = len(warnings) - number - 1
        if room == 1 and others:
            write(
                pdf, f"{others + 1} more warnings stand in the other reports.", 8, "B", MARGIN + 3
            )
            break
        # A line is kept for saying that there are more.
        most = min(WARNING_LINES, room - 1 if others else room)
        room -= write(pdf, f"Warning: {warning}", 8, "", MARGIN + 3, most=most)
    if warnings:
        with pdf.local_context(fill_color=WARNING_COLOUR):
            pdf.rect(MARGIN, top, 1, pdf.get_y() - top, "F")


def _images(
    pdf: FPDF, modalities: dict[str, str], measurements: Measurements, results: Results
) -> None:
    """Draw one slice of each plane side by side and of one height, cut to the head."""
    images = key_images(measurements, modalities)
    shown = frames(results, rendering.first_modality(modalities))
    sizes_mm = [rendering.size_mm(results, image.plane) for image in images]
    parts = [shown[image.plane] for image in images]
    # Width of what is shown of each picture, for a height of 1.
    widths = [
        (x2 - x1) * width / ((y2 - y1) * height)
        for (x1, y1, x2, y2), (width, height) in zip(parts, sizes_mm, strict=True)
    ]
    height = min(PICTURE_HEIGHT, (WIDTH - 2 * PICTURE_GAP) / sum(widths))
    left, top = MARGIN, pdf.get_y()
    for image, part, width in zip(images, parts, widths, strict=True):
        png = rendering.render_png(results, image.plane, image.index, look(image.modality))
        _picture(pdf, image, png, part, (left, top, width * height, height))
        left += width * height + PICTURE_GAP
    pdf.set_y(top + height + 1)
    lines = "; white lines: RANO diameters" if measurements.rano else ""
    write(pdf, f"Radiological convention. Outlines in the colours of the table{lines}.", 7.5)
    pdf.ln(1)


def _picture(
    pdf: FPDF, image: KeyImage, png: bytes, part: Frame, box: tuple[float, float, float, float]
) -> None:
    """Draw `part` of a picture into a box (left, top, width, height) of the page."""
    left, top, width, height = box
    x1, y1, x2, y2 = part
    size = width / (x2 - x1), height / (y2 - y1)
    place = left - x1 * size[0], top - y1 * size[1]
    letters, middle = rendering.EDGE_LETTERS[image.plane], top + height / 2 + 1
    pdf.set_font(TEXT_FONT, "B", 8)
    with pdf.rect_clip(x=left, y=top, w=width, h=height):
        pdf.image(io.BytesIO(png), *place, *size)
        _diameters(pdf, image, place, size)
        title = f"{image.plane.capitalize()} {image.index + 1}/{image.count}"
        _label(pdf, left + 1, top + 3.5, f"{title}, {TITLES[image.modality]}")
        _label(pdf, left + 1, middle, letters["left"])
        right = left + width - 1 - pdf.get_string_width(letters["right"])
        _label(pdf, right, middle, letters["right"])


def _diameters(
    pdf: FPDF, image: KeyImage, place: tuple[float, float], size: tuple[float, float]
) -> None:
    """Draw the lines of a picture that lies at `place` with `size`, both in mm of the page."""
    # White on black, to be seen in bright tissue too.
    for grey, width in ((0, 0.7), (255, 0.3)):
        with pdf.local_context(draw_color=grey, line_width=width):
            for ends in image.lines:
                (x1, y1), (x2, y2) = (
                    (place[0] + x * size[0], place[1] + y * size[1]) for x, y in ends
                )
                pdf.line(x1, y1, x2, y2)


def _label(pdf: FPDF, x: float, y: float, text: str) -> None:
    """Write white letters with a black edge, to be read on any picture."""
    with pdf.local_context(text_mode="STROKE", draw_color=0, line_width=0.5):
        pdf.text(x, y, text)
    with pdf.local_context(text_color=255):
        pdf.text(x, y, text)


def _regions(pdf: FPDF, measurements: Measurements) -> None:
    pdf.set_font(TEXT_FONT, size=8.5)
    with pdf.table(
        col_widths=(12, 78, 30, 30, 30),
        align="LEFT",
        text_align="LEFT",
        line_height=4.3,
        padding=(0, 1),
    ) as table:
        heading = table.row(("", "Region"))
        for title in ("Volume, mL", "% of brain", "Probability"):
            heading.cell(title, align="RIGHT")
        for found in region_rows(measurements):
            row = table.row()
            # The letters say what the colour does.
            swatch = FontFace(emphasis="BOLD", color=0, fill_color=found.colour)
            row.cell(found.short or "", style=swatch if found.colour else None)
            derived = None if found.colour else FontFace(emphasis="BOLD")
            row.cell(found.title, style=derived)
            for value in (found.ml, found.percent, found.confidence):
                row.cell(_number(value, 2), align="RIGHT")
    pdf.ln(1)


def _findings(
    pdf: FPDF, measurements: Measurements, brain_centre_mm: Sequence[float] | None
) -> None:
    rano, parts = measurements.rano, [f"Brain: {measurements.brain_ml:.0f} mL"]
    facts = wording.facts(measurements, brain_centre_mm)
    parts += [f"{title}: {text}" for title, text in facts]
    write(pdf, " · ".join(parts), 8.5, most=2)
    if measurements.lesions:
        text = f"RANO: {wording.diameters(rano)}{wording.place(rano)}"
        write(pdf, text, 8.5, "B", most=2)
    pdf.ln(1)


def _charts(pdf: FPDF, measurements: Measurements) -> None:
    """Draw the area per slice of each plane side by side, nothing where nothing was marked."""
    charts = area_charts(measurements.areas_mm2)
    if not charts:
        return
    write(pdf, "Area of the whole tumour by slice", 8.5, "B")
    top = pdf.get_y() + 1
    pdf.set_font(TEXT_FONT, size=7)
    for column, chart in enumerate(charts):
        left, step = MARGIN + column * (CHART_WIDTH + CHART_GAP), CHART_WIDTH / chart["count"]
        with pdf.local_context(fill_color=BAR_COLOUR):
            for bar in chart["bars"]:
                height = CHART_HEIGHT * bar["share"]
                x, y = left + bar["index"] * step, top + CHART_HEIGHT - height
                pdf.rect(x, y, step, height, "F")
        pdf.line(left, top + CHART_HEIGHT, left + CHART_WIDTH, top + CHART_HEIGHT)
        pdf.set_xy(left, top + CHART_HEIGHT + 0.5)
        first, last = chart["ends"]
        text = f"{chart['plane']}, {first} to {last}: max {chart['peak_cm2']:.1f} cm² in slice {chart['peak'] + 1}"
        pdf.cell(CHART_WIDTH, 3.5, text)
    pdf.set_y(top + CHART_HEIGHT + 5)


def _columns(pdf: FPDF, columns: Sequence[tuple[str, Sequence[str]]], most: int) -> None:
    """Write titles with the texts below them side by side, and go on below the longer column.

    most : lines that each text may take
    """
    top, bottom = pdf.get_y(), 0.0
    for (left, width), (title, texts) in zip(COLUMNS, columns, strict=True):
        pdf.set_y(top)
        write(pdf, title, 8.5, "B", left, width)
        for text in texts:
            write(pdf, text, 7.5, "", left, width, most=most)
        bottom = max(bottom, pdf.get_y())
    pdf.set_y(bottom + 1.5)


def _sequences(report: Report) -> list[str]:
    names, geometry = report.modalities, report.geometry
    spacing = " x ".join(f"{edge:.2f}" for edge in geometry.spacing_mm)
    return [
        *(f"{TITLES[key]}: {names.get(key, 'not given')}" for key in MODALITIES),
        f"Grid: {' x '.join(map(str, geometry.shape))} voxels of {spacing} mm",
    ]


def _provenance(report: Report) -> list[str]:
    model = report.model
    times = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in report.timings_s.items())
    return [
        f"Mask: {wording.mask(report.mask)}",
        f"Model: {model.name} {model.version} ({model.architecture})",
        f"Device: {report.device}, {report.engine}",
        f"Run time: {times}",
        f"Weights: {model.checksum}",
    ]


def _accuracy(report: Report) -> list[str]:
    rows = [
        f"{title}: Dice {_number(row['dice'], 2)}, HD95 {_number(row['hd95_mm'], 1)} mm"
        for title, row in accuracy_rows(report.accuracy)
    ]
    return [*rows, wording.accuracy(report.accuracy, report.missing_modalities)]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
