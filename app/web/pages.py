"""The pages. Everything that a template gets is made here."""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    redirect,
    render_template,
    request,
    url_for,
)

from app.analysis import comparison
from app.config import settings
from app.errors import BadRequest, RequestError
from app.reporting import rendering, wording
from app.reporting.charts import area_charts
from app.reporting.key_images import diameter_lines, telling_slice
from app.store import cases, mask_versions
from app.store.models import StoredCase
from app.web import api_cases, api_masks, comparison_page, headers, report_page, uploads
from app.web.api_slices import parse_regions
from app.web.api_volumes import viewer_of
from app.web.downloads import file_stem
from app.web.error_handlers import status_of
from model.errors import CaseError
from model.io.modalities import MODALITIES, TITLES, name_rules
from model.labels import DERIVED_TITLES, REGIONS

PER_PAGE = 20

blueprint = Blueprint("pages", __name__)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.jinja_env.globals["MODALITY_TITLES"] = TITLES


@blueprint.get("/")
def index():
    """Worklist and upload form."""
    return _index_page([])


@blueprint.post("/cases")
def create_case():
    """Upload by the form alone, without JavaScript."""
    return _queue_and_show(uploads.accept)


@blueprint.post("/cases/demo")
def create_demo_case():
    """Make the synthetic case and show it."""
    return _queue_and_show(uploads.accept_demo)


@blueprint.get("/cases/<case_id>")
def show_case(case_id: str):
    """Progress of a case, its error, or its result."""
    case = cases.find(case_id)
    found = api_cases.details(case)
    context = {"case": found, "measurements": found["measurements"]}
    if case.state == "done":
        volumes = found["measurements"]["volumes_ml"]
        context |= {
            "view": view_of(case),
            "modalities": [modality for modality in MODALITIES if modality in case.modalities],
            "regions": [asdict(region) | {"volume_ml": volumes[region.key]} for region in REGIONS],
            "derived": [
                {"key": key, "title": title, "volume_ml": volumes[key]}
                for key, title in DERIVED_TITLES.items()
            ],
            "percents": found["measurements"]["percent_of_brain"],
            "probabilities": _probabilities(found["measurements"]["confidence"]),
            "charts": area_charts(found["measurements"]["areas_mm2"]),
            "diameters": wording.diameters(found["measurements"]["rano"]),
            "diameter_lines": diameter_lines(found["measurements"]),
            "no_statement": wording.NO_STATEMENT,
            "not_measurable": wording.NOT_MEASURABLE,
            "warnings": wording.other_warnings(found),
            "facts": wording.facts(
                found["measurements"], case.report["geometry"].get("brain_centre_mm")
            ),
            "links": _links(case),
            "file_stem": file_stem(case),
            "masks": api_masks.versions(case),
            "label_values": case.report["label_values"],
            "volume_viewer": viewer_of(case),
        }
    return render_template("case.html", **context)


@blueprint.get("/cases/<case_id>/report")
def show_report(case_id: str):
    """The report of a finished case, to be read or printed on one page."""
    return render_template("report.html", **report_page.context(cases.find(case_id)))


@blueprint.post("/cases/<case_id>/masks")
def create_mask(case_id: str):
    """Add a corrected mask by the form alone."""
    api_masks.accept(cases.find_own(case_id))
    return redirect(url_for("pages.show_case", case_id=case_id), 303)


@blueprint.post("/cases/<case_id>/masks/<int:number>/restore")
def restore_mask(case_id: str, number: int):
    """Go back to a version of the mask by the form alone."""
    mask_versions.restore(cases.find_own(case_id), number)
    return redirect(url_for("pages.show_case", case_id=case_id), 303)


@blueprint.post("/cases/<case_id>/delete")
def delete_case(case_id: str):
    """Delete a case by the form alone."""
    cases.remove(cases.find_own(case_id))
    headers.clear_cache()
    return redirect(url_for("pages.index"), 303)


@blueprint.get("/compare")
def show_comparison():
    """Two cases side by side."""
    return render_template("compare.html", **comparison_page.context(*comparison.wanted_cases()))


@blueprint.get("/about")
def about():
    """What the model is, and how well it did on patients it never saw."""
    card = current_app.extensions["model"].card
    cases = card.training.get("split", {}).get("train", [])
    phantoms = sum(name.startswith("phantom_") for name in cases)
    return render_template("about.html", card=card, cases=len(cases), phantoms=phantoms)


def view_of(case: StoredCase) -> dict[str, Any]:
    """Return what the case page shows: look, and index and picture per plane.

    Values of the address that make no sense fall back to the defaults.
    """
    look = _lenient_look(case)
    results = case.results()
    query = {
        "modality": look.modality,
        "regions": ",".join(look.regions),
        "opacity": f"{look.opacity:g}",
        "outline": int(look.outline),
        **({"confidence": 1} if look.confidence else {}),
        "mask": case.mask.number,
    }
    return asdict(look) | {
        "has_confidence": rendering.stored_confidence(results) is not None,
        "planes": [_plane(case, results, plane, query) for plane in rendering.PLANES],
    }


def _probabilities(confidence: dict[str, float | None] | None) -> list[tuple[str, float]]:
    """Return short name and mean probability of each region that was marked, where known."""
    known = confidence or {}
    found = [(region.short, known.get(region.key)) for region in REGIONS]
    return [(short, value) for short, value in found if value is not None]


def _plane(case: StoredCase, results: Path, plane: str, query: dict[str, Any]) -> dict[str, Any]:
    slices = case.current_report["measurements"]["slices"][plane]
    count = slices["count"]
    wanted, shown = request.args.get(plane, ""), telling_slice(slices)
    if wanted.isdecimal() and len(wanted) < 6:
        shown = min(int(wanted), count - 1)
    width_mm, height_mm = rendering.size_mm(results, plane)
    return {
        "plane": plane,
        "index": shown,
        "count": count,
        "largest": slices["largest"],
        "url": url_for("slices.get_overlay", case_id=case.id, plane=plane, index=shown, **query),
        "width_mm": width_mm,
        "height_mm": height_mm,
        "labels": rendering.EDGE_LETTERS[plane],
    }


def _lenient_look(case: StoredCase) -> rendering.Look:
    default, args = rendering.Look(), request.args
    modality = args.get("modality")
    try:
        opacity = min(max(float(args.get("opacity", default.opacity)), 0.0), 1.0)
        regions = parse_regions(args.getlist("regions")) if "regions" in args else default.regions
    except (ValueError, BadRequest):
        opacity, regions = default.opacity, default.regions
    # NaN passes the limits above.
    opacity = default.opacity if math.isnan(opacity) else opacity
    if modality not in case.modalities:
        modality = rendering.first_modality(case.modalities)
    outline, confidence = (args.get(name) == "1" for name in ("outline", "confidence"))
    return rendering.Look(modality, regions, opacity, outline, confidence)


def _queue_and_show(accept: Callable[[], StoredCase]):
    try:
        case = api_cases.queue(accept)
    except (CaseError, RequestError) as error:
        return _index_page([error.as_dict()]), status_of(error)
    return redirect(url_for("pages.show_case", case_id=case.id), 303)


def _index_page(errors: list[dict[str, str]]) -> str | Response:
    wanted, query = request.args.get("page", "1"), request.args.get("q", "").strip()
    page = max(1, int(wanted)) if wanted.isdecimal() and len(wanted) < 9 else 1
    found = cases.listing(page, PER_PAGE, query)
    if page > max(1, found.pages):
        # Cases were deleted since that page was linked to. The script asks for that of the address.
        return redirect(url_for("pages.index", page=max(1, found.pages), q=query or None))
    return render_template(
        "index.html",
        cases=[api_cases.summary(case) for case in found.items],
        page=page,
        pages=found.pages,
        query=query,
        errors=errors,
        limits={"max_upload_mb": settings().max_upload_mb},
        modalities=MODALITIES,
        name_rules=name_rules(),
    )


def _links(case: StoredCase) -> dict[str, str]:
    kinds = {"json": "api", "csv": "api", "pdf": "api", "zip": "bundle"}
    reports = {
        kind: url_for(f"{place}.get_report_{kind}", case_id=case.id)
        for kind, place in kinds.items()
    }
    return {
        "segmentation": url_for("api.get_segmentation", case_id=case.id),
        "page": url_for("pages.show_report", case_id=case.id),
    } | reports
