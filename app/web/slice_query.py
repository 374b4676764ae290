"""How slices are drawn, read from the query of a request."""

import math

import numpy as np
from flask import request

from app.errors import BadRequest, NotFound
from app.reporting import rendering
from app.reporting.windows import Window
from app.store.models import StoredCase
from app.store.results import Results
from model.io.modalities import MODALITIES, TITLES

LOOK_QUERY = [
    {"name": "modality", "schema": {"type": "string", "enum": list(MODALITIES)}},
    {"name": "regions", "schema": {"type": "string"}, "description": "Keys, comma-separated."},
    {"name": "opacity", "schema": {"type": "number", "minimum": 0, "maximum": 1}},
    {"name": "outline", "schema": {"type": "integer", "enum": [0, 1]}},
    {
        "name": "confidence",
        "schema": {"type": "integer", "enum": [0, 1]},
        "description": "Show where the model was uncertain; regions are then outlined.",
    },
    {
        "name": "brain",
        "schema": {"type": "integer", "enum": [0, 1]},
        "description": "Outline the brain.",
    },
    {
        "name": "mask",
        "schema": {"type": "integer", "minimum": 0},
        "description": "Version of the mask; the one that counts if left out.",
    },
]
WINDOW_QUERY = {
    "name": "window",
    "schema": {"type": "string"},
    "description": "Black and white in intensities of the scan, separated by a comma.",
}
WINDOWS_QUERY = [
    WINDOW_QUERY
    | {"name": f"window_{modality}", "description": f"Window of {TITLES[modality]}: black,white."}
    for modality in MODALITIES
]
# No scan has intensities near it, and differences stay finite.
LARGEST = 1e30
EARLIER = "It was segmented by an earlier version; upload it again."


def strict_look(case: StoredCase) -> rendering.Look:
    """Return how a slice is drawn.

    Raises BadRequest for what makes no sense, NotFound for a sequence that the case lacks.
    """
    default, args = rendering.Look(), request.args
    modality = args.get("modality", rendering.first_modality(case.modalities))
    flags = {name: args.get(name, "0") for name in ("outline", "confidence", "brain")}
    try:
        opacity = float(args.get("opacity", default.opacity))
    except ValueError:
        opacity = -1.0
    regions = parse_regions(args.getlist("regions")) if "regions" in args else default.regions
    if modality not in MODALITIES:
        raise BadRequest("There is no such modality.", ", ".join(MODALITIES), "bad_parameter")
    require_modality(case, modality)
    if not 0 <= opacity <= 1:
        raise BadRequest("The opacity is a number from 0 to 1.", code="bad_parameter")
    for name, value in flags.items():
        if value not in ("0", "1"):
            raise BadRequest(f"{name} is 0 or 1.", code="bad_parameter")
    window = parse_window(args.get("window"))
    if "window" in args and window is None:
        raise BadRequest("window is two numbers, black and a larger white.", code="bad_parameter")
    shown = {name: value == "1" for name, value in flags.items()}
    return rendering.Look(modality, regions, opacity, **shown, window=window)


def lenient_look(case: StoredCase) -> rendering.Look:
    """Return how slices are drawn; values that make no sense count as the defaults."""
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


def parse_window(text: str | None) -> Window | None:
    """Return black and white of `black,white`, None for what is no window."""
    try:
        black, white = map(float, (text or "").split(","))
    except ValueError:
        return None
    return (black, white) if -LARGEST < black < white < LARGEST else None


def windows_asked_for() -> dict[str, Window]:
    """Return the windows of a request by sequence, `window_t1ce=40,900`; those that make no sense are left out."""
    found = {name: parse_window(request.args.get(f"window_{name}")) for name in MODALITIES}
    return {name: window for name, window in found.items() if window}


def parse_regions(values: list[str]) -> tuple[str, ...]:
    """Return the region keys of repeated or comma-separated values, in the order of the table."""
    wanted = {key for value in values for key in value.split(",") if key}
    if unknown := wanted - set(rendering.REGION_KEYS):
        raise BadRequest(
            f"There is no region {min(unknown)!r}.",
            f"Regions are {', '.join(rendering.REGION_KEYS)}.",
            "bad_parameter",
        )
    return tuple(key for key in rendering.REGION_KEYS if key in wanted)


def require_modality(case: StoredCase, modality: str) -> None:
    """Raise NotFound for a sequence that the case lacks."""
    if modality not in case.modalities:
        raise NotFound(
            f"The case was uploaded without {TITLES[modality]}.",
            f"It has {', '.join(TITLES[given] for given in case.modalities)}.",
            "modality_not_given",
        )


def require_brain(results: Results) -> np.ndarray:
    """Return the brain, canonical (X, Y, Z) uint8. Raises NotFound where it was not kept."""
    missing = NotFound("The brain mask of this case was not kept.", EARLIER, "no_brain_mask")
    return _kept(results.brain(), missing)


def require_confidence(results: Results) -> np.ndarray:
    """Return the model's confidence, canonical (X, Y, Z). Raises NotFound where it was not kept."""
    missing = NotFound("The confidence of this case was not kept.", EARLIER, "no_confidence")
    return _kept(results.confidence(), missing)


def _kept(volume: np.ndarray | None, missing: NotFound) -> np.ndarray:
    if volume is None:
        raise missing
    return volume
