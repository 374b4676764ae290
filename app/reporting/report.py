"""The report of a finished case, as one typed object; other modules write it as CSV, PDF and page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.analysis.drawn import Drawn
from app.analysis.measurements import Measurements
from app.analysis.record import Accuracy, CaseRecord, MaskInfo
from app.reporting import wording
from app.reporting.schemas import Dates, Report
from app.store.models import StoredCase
from model.labels import DERIVED_TITLES, REGIONS, Convention

VOLUME_TITLES = {region.key: region.title for region in REGIONS} | DERIVED_TITLES
ACCURACY_TITLES = {"WT": "Whole tumour", "TC": "Tumour core", "ET": "Enhancing tumour"}


def report_of(case: StoredCase, drawn: Sequence[Drawn] = ()) -> Report:
    """Return the report of a finished case, on the mask that counts. Raises NotReady.

    drawn : what readers drew on it, see `drawn_of`
    """
    case.results()
    mask = case.mask
    dates = Dates(
        uploaded=_iso(case.created_at),
        segmented=_iso(case.finished_at),
        corrected=_iso(mask.created_at) if mask.by_hand else None,
    )
    who = {"id": case.id, "name": case.name}
    return build(case.current_record, who, dates, mask.info, drawn)


def build(
    record: CaseRecord,
    case: Mapping[str, str],
    dates: Dates | None = None,
    mask: MaskInfo | None = None,
    drawn: Sequence[Drawn] = (),
) -> Report:
    """Return the report of a record.

    case : what identifies the case
    dates : by default, that it has just been segmented
    mask : which version of the mask the record is of; None where there are no versions
    """
    return Report(
        case=dict(case),
        message=wording.message(record.measurements, mask),
        dates=dates or Dates(segmented=_iso(datetime.now(UTC))),
        measurements=record.measurements,
        mask=mask,
        model=record.model,
        accuracy=record.accuracy,
        engine=record.provenance.engine,
        device=record.provenance.text,
        provenance=record.provenance,
        label_convention=record.label_convention,
        label_values=label_values(record.label_convention),
        modalities=record.modalities,
        missing_modalities=record.missing_modalities,
        geometry=record.geometry,
        preparation=record.preparation,
        timings_s=record.timings_s,
        warnings=[warning.text for warning in record.warnings],
        warning_details=record.warnings,
        software=record.software,
        annotations=list(drawn),
    )


@dataclass(frozen=True)
class RegionRow:
    """What a table of regions says of one; what is not known is None."""

    key: str
    title: str
    short: str | None
    colour: str | None
    ml: float
    percent: float | None
    confidence: float | None


def region_rows(measurements: Measurements) -> list[RegionRow]:
    """Return one row for each region and derived region, in the order of all pages."""
    regions = {region.key: region for region in REGIONS}
    percents, confidences = measurements.percent_of_brain, measurements.confidence
    return [
        RegionRow(
            key,
            title,
            regions[key].short if key in regions else None,
            regions[key].colour if key in regions else None,
            measurements.volumes_ml[key],
            percents and percents[key],
            confidences and confidences[key],
        )
        for key, title in VOLUME_TITLES.items()
    ]


def accuracy_rows(accuracy: Accuracy | None) -> list[tuple[str, dict[str, float | None]]]:
    """Return title and scores of the regions that a report is read for, none without scores."""
    regions = accuracy.regions if accuracy else {}
    return [(title, regions[key]) for key, title in ACCURACY_TITLES.items() if key in regions]


def label_values(convention: Convention) -> dict[str, int]:
    """Return the value in the mask file by region."""
    return {
        region.key: region.value_2021 if convention == "brats2021" else region.value_2023
        for region in REGIONS
    }


def _iso(time: datetime | None) -> str | None:
    return time and time.isoformat(timespec="seconds")
