"""What a person draws on the slices of a case, and what it measures: pure functions on voxel coordinates.

Lengths go along the edges of voxels, as in the viewer (`static/js/viewer/geometry.js` and `annotations.js`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

Kind = Literal["ruler", "angle", "ellipse", "arrow", "rano"]
Plane = Literal["axial", "coronal", "sagittal"]
# A RANO measure has two lines; an ellipse the opposite corners of the box around it.
POINTS_OF = {"ruler": 2, "angle": 3, "ellipse": 2, "arrow": 2, "rano": 4}
# The canonical axes that run across and down the pictures of a plane, and through them.
AXES = {"axial": (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}
# Corners of the line that an ellipse is drawn with.
CORNERS = 48
# Length of an arrow's head, and the angle between it and the shaft.
HEAD_MM, HEAD_RAD = 5.0, 0.45

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Drawn:
    """Something drawn in one slice; what its kind does not measure is null.

    number : in the order of drawing, from 1 ; id : that of the annotation ; slice : from 0
    points : voxels in canonical (RAS+) order, whole numbers at their centres; an arrow points to its first
    modality : the sequence that it is shown on
    pair_with : of the second of two rulers in one slice the number of the first; both are a RANO pair then
    longest_mm, perpendicular_mm, product_mm2 : of RANO lines, and of a pair with its second ruler
    mean, lowest, highest : intensities of the scan within an ellipse, null where it holds no voxel
    """

    number: int
    id: str
    kind: Kind
    plane: Plane
    slice: int
    modality: str
    text: str
    points: tuple[Point, ...]
    length_mm: float | None = None
    angle_deg: float | None = None
    area_mm2: float | None = None
    mean: float | None = None
    lowest: float | None = None
    highest: float | None = None
    pair_with: int | None = None
    longest_mm: float | None = None
    perpendicular_mm: float | None = None
    product_mm2: float | None = None


def measured(items: Sequence[Drawn], edges_mm: Sequence[float]) -> list[Drawn]:
    """Return what was drawn with what follows from its points; intensities are left to `with_intensities`.

    edges_mm : (3,) of a voxel
    """
    edges = np.asarray(edges_mm, float)
    found = [replace(item, **_sizes(item, edges)) for item in items]
    return [replace(item, **_pair(found, item)) for item in found]


def with_intensities(item: Drawn, volume: np.ndarray) -> Drawn:
    """Return an ellipse with mean and range of a canonical volume (X, Y, Z) of intensities."""
    values = _within(item, volume)
    if not values.size:
        return item
    mean, lowest, highest = (float(value) for value in (values.mean(), values.min(), values.max()))
    return replace(item, mean=round(mean, 3), lowest=round(lowest, 3), highest=round(highest, 3))


def lines_of(item: Drawn, edges_mm: Sequence[float]) -> list[np.ndarray]:
    """Return the lines that show it, each (points, 3) in voxel coordinates; edges_mm : (3,) of a voxel."""
    points = np.array(item.points, float)
    if item.kind == "rano":
        return [points[:2], points[2:]]
    if item.kind == "ellipse":
        return [_ellipse(points, item.plane)]
    if item.kind == "arrow":
        return [points, _head(points, item.plane, np.asarray(edges_mm, float))]
    return [points]


def ellipse_axes(item: Drawn, edges_mm: Sequence[float]) -> np.ndarray:
    """Return the ends of an ellipse's long and then of its short axis, (4, 3) in voxel coordinates."""
    middle = np.mean(item.points, axis=0)
    axes = []
    for axis in AXES[item.plane][:2]:
        step = np.zeros(3)
        step[axis] = _radius(np.array(item.points), axis)
        axes.append((step[axis] * edges_mm[axis], (middle - step, middle + step)))
    axes.sort(key=lambda one: -one[0])
    return np.array([end for _, ends in axes for end in ends])


def _sizes(item: Drawn, edges: np.ndarray) -> dict[str, Any]:
    points = np.array(item.points) * edges
    if item.kind == "ruler":
        return {"length_mm": _rounded(np.linalg.norm(points[1] - points[0]))}
    if item.kind == "angle":
        return {"angle_deg": _rounded(_angle_deg(*points))}
    if item.kind == "ellipse":
        radii = [
            _radius(np.array(item.points), axis) * edges[axis] for axis in AXES[item.plane][:2]
        ]
        return {"area_mm2": _rounded(np.pi * radii[0] * radii[1])}
    if item.kind == "rano":
        return _cross(np.linalg.norm(points[1] - points[0]), np.linalg.norm(points[3] - points[2]))
    return {}


def _pair(items: Sequence[Drawn], item: Drawn) -> dict[str, Any]:
    """Return what the second of two rulers in one slice has besides its length."""
    rulers = [
        one
        for one in items
        if one.kind == "ruler" and (one.plane, one.slice) == (item.plane, item.slice)
    ]
    if item not in rulers or rulers.index(item) % 2 == 0:
        return {}
    first = rulers[rulers.index(item) - 1]
    return {"pair_with": first.number} | _cross(first.length_mm, item.length_mm)


def _cross(first_mm: float, second_mm: float) -> dict[str, float]:
    return {
        "longest_mm": _rounded(max(first_mm, second_mm)),
        "perpendicular_mm": _rounded(min(first_mm, second_mm)),
        "product_mm2": _rounded(first_mm * second_mm),
    }


def _angle_deg(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    """Return the angle at b."""
    p, q = a - b, c - b
    lengths = np.linalg.norm(p) * np.linalg.norm(q)
    return float(np.degrees(np.arccos(np.clip(p @ q / (lengths or 1.0), -1, 1))))


def _radius(points: np.ndarray, axis: int) -> float:
    """Return half the edge of an ellipse's box in voxels; what has none is as wide as one voxel."""
    return abs(points[0, axis] - points[1, axis]) / 2 or 0.5


def _ellipse(points: np.ndarray, plane: str) -> np.ndarray:
    across, down, _ = AXES[plane]
    turn = np.linspace(0, 2 * np.pi, CORNERS + 1)
    line = np.tile(points.mean(axis=0), (len(turn), 1))
    line[:, across] += _radius(points, across) * np.cos(turn)
    line[:, down] += _radius(points, down) * np.sin(turn)
    return line


def _head(points: np.ndarray, plane: str, edges: np.ndarray) -> np.ndarray:
    """Return the line of an arrow's head, (3, 3), with the tip in its middle."""
    across, down, _ = AXES[plane]
    tip, tail = points
    x, y = ((tail - tip) * edges)[[across, down]]
    direction, head = np.arctan2(y, x), np.tile(tip, (3, 1))
    for row, turn in ((0, -HEAD_RAD), (2, HEAD_RAD)):
        head[row, across] += HEAD_MM * np.cos(direction + turn) / edges[across]
        head[row, down] += HEAD_MM * np.sin(direction + turn) / edges[down]
    return head


def _within(item: Drawn, volume: np.ndarray) -> np.ndarray:
    """Return the intensities of the voxels whose centres an ellipse holds, (voxels,)."""
    across, down, through = AXES[item.plane]
    if not 0 <= item.slice < volume.shape[through]:
        return np.zeros(0)
    # (across, down): of each plane in the order of the axes.
    part = np.moveaxis(volume, through, 0)[item.slice]
    points = np.array(item.points)
    middle = points.mean(axis=0)
    x, y = np.ogrid[: part.shape[0], : part.shape[1]]
    inside = ((x - middle[across]) / _radius(points, across)) ** 2 + (
        (y - middle[down]) / _radius(points, down)
    ) ** 2 <= 1
    return part[inside].astype(float)


def _rounded(value: float) -> float:
    return round(float(value), 3)
