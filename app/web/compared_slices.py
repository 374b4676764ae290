"""The slices of two cases beside each other: which are shown, and where they are."""

from typing import Any

from flask import request, url_for

from app.analysis.measurements import PLANE_AXES
from app.reporting import rendering
from app.reporting.key_images import frames, key_slice, look
from app.reporting.report import VOLUME_TITLES
from app.store import pairs
from app.store.models import StoredCase
from app.store.pairs import Pair
from app.web.registered_priors import sequences
from model.io.modalities import TITLES
from model.preparation.native import DOUBTFUL_AGREEMENT


def context(prior: StoredCase, now: StoredCase) -> dict[str, Any]:
    """Return what the comparison shows of the images: registered slices, or one still of each."""
    pair = pairs.find(now, prior)
    shown = {
        "address": url_for("priors.register_prior", case_id=now.id, prior_id=prior.id),
        "may_register": now.results().brain() is not None and prior.results().brain() is not None,
        "pair": pair and pair.found,
    }
    if pair is None:
        return shown | {"pictures": [_still(case) for case in (prior, now)]}
    doubtful = pair.found.registered.agreement < DOUBTFUL_AGREEMENT
    return shown | {"viewer": _viewer(prior, now, pair), "doubtful": doubtful}


def _viewer(prior: StoredCase, now: StoredCase, pair: Pair) -> dict[str, Any]:
    """Return what is chosen, what there is to choose, and the three pictures of the slice.

    Values of the address that make no sense count as the defaults.
    """
    both = sequences(now, prior)
    modality = _chosen("modality", both, "t1ce" if "t1ce" in both else both[0])
    plane = _chosen("plane", rendering.PLANES, "axial")
    region = _chosen("region", list(VOLUME_TITLES), "whole_tumor")
    planes = _planes(prior, now, pair, modality)
    # Counts from 1, as people do.
    number = request.args.get("slice", "")
    if number.isdecimal() and 0 < len(number) < 6:
        planes[plane]["index"] = min(max(int(number), 1), planes[plane]["count"]) - 1
    place = {"case_id": now.id, "plane": plane, "index": planes[plane]["index"]}
    drawn = {"modality": modality, "opacity": 1, "outline": 1}
    made = {"mask": now.mask.number, "made": int(now.finished_at.timestamp())}
    whole = {"prior_id": prior.id, "stamp": pair.stamp}
    return {
        "modality": modality,
        "plane": plane,
        "region": region,
        "sequences": [(key, TITLES[key]) for key in both],
        "regions": list(VOLUME_TITLES.items()),
        "planes": planes,
        "shown": planes[plane],
        "stamp": pair.stamp,
        "mask": made,
        "urls": {
            "prior": url_for("priors.get_prior_slice", **place, **whole, **drawn),
            "now": url_for("slices.get_overlay", **place, **drawn, **made),
            "change": url_for(
                "priors.get_change_slice", **place, **whole, modality=modality, region=region
            ),
        },
    }


def _planes(
    prior: StoredCase, now: StoredCase, pair: Pair, modality: str
) -> dict[str, dict[str, Any]]:
    """Return of each plane how many slices it has, which is shown first, and the part that holds the head."""
    results, slices = now.results(), now.current_record.measurements.slices
    parts, found = frames(results, modality), {}
    for plane in rendering.PLANES:
        width_mm, height_mm = rendering.size_mm(results, plane)
        found[plane] = {
            "count": slices[plane].count,
            "index": key_slice(slices[plane]),
            "part_mm": _part_mm(parts[plane], width_mm, height_mm),
            "width_mm": width_mm,
            "height_mm": height_mm,
            "letters": rendering.EDGE_LETTERS[plane],
        }
        if slices[plane].largest is None:
            found[plane]["index"] = _largest(pair, plane)
    return found


def _largest(pair: Pair, plane: str) -> int:
    """Return the slice with the most of what was marked before, where nothing is marked now."""
    others = tuple(axis for axis in range(3) if axis != PLANE_AXES[plane])
    return int((pair.results.labels() > 0).sum(axis=others).argmax())


def _still(case: StoredCase) -> dict[str, Any]:
    """Return the axial slice with the most tumour, outlined."""
    slices = case.current_record.measurements.slices.axial
    index = key_slice(slices)
    how = look(rendering.first_modality(case.modalities))
    width_mm, height_mm = rendering.size_mm(case.results(), "axial")
    part = frames(case.results(), how.modality)["axial"]
    query = {"modality": how.modality, "opacity": f"{how.opacity:g}", "outline": 1}
    place = {"case_id": case.id, "plane": "axial", "index": index, "mask": case.mask.number}
    return {
        "url": url_for("slices.get_overlay", **place, **query),
        "index": index,
        "count": slices.count,
        "sequence": TITLES[how.modality],
        "part_mm": _part_mm(part, width_mm, height_mm),
        "width_mm": width_mm,
        "height_mm": height_mm,
    }


def _part_mm(part: tuple[float, ...], width_mm: float, height_mm: float) -> tuple[float, ...]:
    """Return left, top, width and height in mm of a part of a picture."""
    x1, y1, x2, y2 = part
    return x1 * width_mm, y1 * height_mm, (x2 - x1) * width_mm, (y2 - y1) * height_mm


def _chosen(name: str, known: list[str] | tuple[str, ...], default: str) -> str:
    wanted = request.args.get(name)
    return wanted if wanted in known else default
