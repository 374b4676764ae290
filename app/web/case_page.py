"""What the page of a case shows: its progress, its error, or its result."""

from dataclasses import asdict
from typing import Any

from flask import request, url_for

from app.analysis.values import Confidence
from app.reporting import rendering, wording
from app.reporting.charts import area_charts
from app.reporting.key_images import diameter_lines, key_slice
from app.reporting.report import label_values
from app.store.models import StoredCase
from app.store.results import Results
from app.web.case_answers import case_details, mask_answers, patient_links
from app.web.downloads import file_stem
from app.web.sending import archive_context
from app.web.slice_query import lenient_look
from app.web.viewer_data import viewer_data
from model.io.modalities import MODALITIES
from model.labels import DERIVED_TITLES, REGIONS


def context(case: StoredCase) -> dict[str, Any]:
    """Return the values of `case.html`."""
    found = case_details(case)
    shown = {"case": found, "measurements": found["measurements"]}
    return shown | _result(case) if case.state == "done" else shown


def _result(case: StoredCase) -> dict[str, Any]:
    """Return what is shown of a finished case besides its details."""
    record = case.current_record
    measurements, volumes = record.measurements, record.measurements.volumes_ml
    return {
        "view": view_of(case),
        "modalities": [modality for modality in MODALITIES if modality in case.modalities],
        "regions": [asdict(region) | {"volume_ml": volumes[region.key]} for region in REGIONS],
        "derived": [
            {"key": key, "title": title, "volume_ml": volumes[key]}
            for key, title in DERIVED_TITLES.items()
        ],
        "percents": measurements.percent_of_brain,
        "probabilities": _probabilities(measurements.confidence),
        "calibrated": wording.calibrated(record.accuracy),
        "charts": area_charts(measurements.areas_mm2),
        "diameters": wording.diameters(measurements.rano),
        "diameter_lines": diameter_lines(measurements),
        "no_statement": wording.NO_STATEMENT,
        "not_measurable": wording.NOT_MEASURABLE,
        "warnings": wording.other_warnings(record.warnings),
        "facts": wording.facts(measurements, record.geometry.brain_centre_mm),
        "links": _links(case),
        "from_dicom": case.patient is not None,
        "patient_link": patient_links([case]).get(case.id),
        "preparation": record.preparation and wording.preparation(record.preparation),
        "file_stem": file_stem(case),
        "masks": mask_answers(case),
        "label_values": label_values(record.label_convention),
        "viewer": viewer_data(case),
        "archive": archive_context(case),
    }


def view_of(case: StoredCase) -> dict[str, Any]:
    """Return how slices are drawn, and index and picture of each plane.

    Values of the address that make no sense count as the defaults.
    """
    look = lenient_look(case)
    results = case.results()
    query = {
        "modality": look.modality,
        "regions": ",".join(look.regions),
        "opacity": f"{look.opacity:g}",
        "outline": int(look.outline),
        **({"confidence": 1} if look.confidence else {}),
        "mask": case.mask.number,
        # A case that is segmented again has new pictures under the same numbers.
        "made": int(case.finished_at.timestamp()),
    }
    return asdict(look) | {
        "has_confidence": results.confidence() is not None,
        "planes": [_plane(case, results, plane, query) for plane in rendering.PLANES],
    }


def _probabilities(confidence: Confidence | None) -> list[tuple[str, float]]:
    """Return short name and mean probability of each region that was marked, where known."""
    if confidence is None:
        return []
    found = [(region.short, confidence[region.key]) for region in REGIONS]
    return [(short, value) for short, value in found if value is not None]


def _plane(case: StoredCase, results: Results, plane: str, query: dict[str, Any]) -> dict[str, Any]:
    slices = case.current_record.measurements.slices[plane]
    wanted, shown = request.args.get(plane, ""), key_slice(slices)
    if wanted.isdecimal() and len(wanted) < 6:
        shown = min(int(wanted), slices.count - 1)
    width_mm, height_mm = rendering.size_mm(results, plane)
    return {
        "plane": plane,
        "index": shown,
        "count": slices.count,
        "largest": slices.largest,
        "url": url_for("slices.get_overlay", case_id=case.id, plane=plane, index=shown, **query),
        "width_mm": width_mm,
        "height_mm": height_mm,
        "labels": rendering.EDGE_LETTERS[plane],
    }


def _links(case: StoredCase) -> dict[str, str]:
    in_dicom = ("segmentation", "report", "structures") if case.folder.study.has_source else ()
    return {
        "segmentation": url_for("cases.get_segmentation", case_id=case.id),
        **{
            f"{kind}_dicom": url_for(f"dicom.get_{kind}_dicom", case_id=case.id)
            for kind in in_dicom
        },
        "page": url_for("pages.show_report", case_id=case.id),
    } | {
        kind: url_for(f"reports.get_report_{kind}", case_id=case.id)
        for kind in ("json", "csv", "pdf", "zip")
    }
