"""What the report page and the PDF say, in one place: both lay out the same sheet, neither adds to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from app.reporting import wording
from app.reporting.charts import area_charts
from app.reporting.drawn_words import DrawnRow, drawn_rows_in_words, moved_rano, note
from app.reporting.feature_words import SOURCE, FeatureRow, feature_rows
from app.reporting.report import RegionRow, accuracy_rows, region_rows
from app.reporting.schemas import Report
from model.io.modalities import MODALITIES, TITLES

# Title and text.
Facts = list[tuple[str, str]]


@dataclass(frozen=True)
class Sheet:
    """One report in words and numbers.

    message : what an empty result needs to be said, else "" ; warnings : without what `message` says
    accuracy : title, Dice and HD95 in mm of regions, as text
    charts : see `area_charts` ; drawn : by hand
    """

    name: str
    subtitle: str
    identity: Facts
    disclaimer: str
    origin: str
    message: str
    warnings: list[str]
    pictures_note: str
    regions: list[RegionRow]
    lesions: Facts
    measured: Facts
    features: list[FeatureRow]
    features_note: str
    charts: list[dict[str, Any]]
    sequences: Facts
    made: Facts
    drawn: list[DrawnRow]
    drawn_note: str
    accuracy: list[tuple[str, str, str]]
    accuracy_note: str
    limits: list[str]


def sheet_of(report: Report) -> Sheet:
    """Return the sheet of a report."""
    measurements, model = report.measurements, report.model
    return Sheet(
        name=report.case["name"],
        subtitle=f"Brain tumour segmentation by {model.name} {model.version}",
        identity=list(_identity(report)),
        disclaimer=report.disclaimer,
        origin=wording.origin(report.mask),
        message=f"{report.message} {wording.NO_STATEMENT}" if report.message else "",
        warnings=wording.other_warnings(report.warning_details),
        pictures_note=wording.pictures(bool(measurements.rano or moved_rano(report.annotations))),
        regions=region_rows(measurements),
        lesions=wording.lesions(measurements.named_lesions),
        measured=list(_measured(report)),
        features=feature_rows(measurements.features),
        features_note=SOURCE,
        charts=area_charts(measurements.areas_mm2),
        sequences=list(_sequences(report)),
        made=list(_made(report)),
        drawn=drawn_rows_in_words(report.annotations),
        drawn_note=note(report.annotations),
        accuracy=[
            (title, number(row["dice"], 2), number(row["hd95_mm"], 1))
            for title, row in accuracy_rows(report.accuracy)
        ],
        accuracy_note=wording.accuracy(report.accuracy, report.missing_modalities),
        limits=wording.limits(report.mask, report.accuracy),
    )


def number(value: float | None, digits: int) -> str:
    """Return a number for reading, a dash for what is not known."""
    return "-" if value is None else f"{value:.{digits}f}"


def _identity(report: Report) -> Iterator[tuple[str, str]]:
    for name, at in report.dates or ():
        if at:
            yield name.capitalize(), wording.time(at)
    if "id" in report.case:
        yield "Case", report.case["id"]


def _measured(report: Report) -> Iterator[tuple[str, str]]:
    measurements = report.measurements
    if measurements.lesions:
        rano = measurements.rano
        yield "RANO", f"{wording.diameters(rano)}{wording.place(rano)}"
    if by_hand := moved_rano(report.annotations):
        yield "By hand", f"RANO {by_hand}."
    yield from wording.facts(measurements, report.geometry.brain_centre_mm)
    yield "Brain", f"{measurements.brain_ml:.0f} mL"


def _sequences(report: Report) -> Iterator[tuple[str, str]]:
    for key in MODALITIES:
        yield TITLES[key], report.modalities.get(key) or "Not given"
    spacing = _by(f"{edge:.2f}" for edge in report.geometry.spacing_mm)
    yield "Grid", f"{_by(map(str, report.geometry.shape))} voxels of {spacing} mm"


def _made(report: Report) -> Iterator[tuple[str, str]]:
    model = report.model
    yield "Mask", wording.mask(report.mask)
    if report.preparation:
        yield "Preparation", wording.preparation(report.preparation)
    yield "Model", f"{model.name} {model.version} ({model.architecture})"
    yield "Device", f"{report.device}, {report.engine}"
    times = (f"{stage} {seconds:.2f} s" for stage, seconds in report.timings_s.items())
    yield "Run time", ", ".join(times)
    yield "Weights", model.checksum


def _by(lengths: Sequence[str] | Iterator[str]) -> str:
    return " × ".join(lengths)
