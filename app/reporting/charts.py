"""Area per slice as bars: plain data, which templates and the PDF draw."""

from collections.abc import Sequence
from typing import Any

from app.analysis.measurements import PLANE_AXES
from app.analysis.values import AreasMm2
from app.reporting.wording import ENDS


def area_charts(areas_mm2: AreasMm2 | None) -> list[dict[str, Any]]:
    """Return one chart for each plane, an empty list where nothing was marked.

    All planes share one scale, so that their heights compare. A chart has `plane`, `count` of
    slices, `ends` (letters at its first and last slice), `peak` (index), `peak_cm2`, `bars` (each
    with `index` from 0, `cm2`, and `share` of the highest bar of all), and `path`: the bars as one
    SVG path in a box that is `count` wide and 1 high.
    """
    if areas_mm2 is None:
        return []
    highest = max(max(areas) for _, areas in areas_mm2.items())
    if not highest:
        return []
    return [_chart(plane, areas_mm2[plane], highest) for plane in PLANE_AXES]


def _chart(plane: str, areas: Sequence[float], highest: float) -> dict[str, Any]:
    peak = max(range(len(areas)), key=areas.__getitem__)
    bars = [
        {"index": index, "cm2": area / 100, "share": round(area / highest, 4)}
        for index, area in enumerate(areas)
        if area
    ]
    return {
        "plane": plane,
        "count": len(areas),
        "ends": ENDS[plane],
        "peak": peak,
        "peak_cm2": areas[peak] / 100,
        "bars": bars,
        "path": "".join(_step(bar["index"], bar["share"]) for bar in bars),
    }


def _step(index: int, share: float) -> str:
    """Return one bar as a part of a path: up, along and down again."""
    return f"M{index} 1V{1 - share:.4g}H{index + 1}V1"
