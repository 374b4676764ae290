"""Outlines of masks as closed polygons along the edges of pixels: pure functions on arrays.

Filled again they give the mask back exactly, since every pixel's centre lies half a pixel from any edge.
"""

from collections import defaultdict

import numpy as np

Point = tuple[int, int]
# From a corner in the four directions, in the order of turning left.
_LEFT = {(1, 0): (0, 1), (0, 1): (-1, 0), (-1, 0): (0, -1), (0, -1): (1, 0)}


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Return the polygons of a mask (X, Y) bool, each (points, 2) in voxel coordinates, not closed by a last point.

    Corners of pixel (i, j) lie at i ± 0.5, j ± 0.5. Pixels that touch at a corner only belong to different polygons.
    A hole is part of the polygon around it, by a cut of no width there and back: so programs fill it rightly, whichever
    rule they fill by.
    """
    loops = [_corners(loop) for loop in _loops(mask)]
    outer = [loop for loop in loops if _area(loop) > 0]
    holes = [loop for loop in loops if _area(loop) < 0]
    inside = {place: [] for place in range(len(outer))}
    for hole in holes:
        inside[_around(hole, outer)].append(hole)
    return [_with_holes(loop, inside[place]) - 0.5 for place, loop in enumerate(outer)]


def _loops(mask: np.ndarray) -> list[list[Point]]:
    """Return the edges between inside and outside as loops of corners, the inside on the left."""
    padded = np.pad(mask, 1)
    edges: dict[Point, list[Point]] = defaultdict(list)
    # A pixel's four sides, counterclockwise: where its neighbour there is outside, the side is an edge.
    sides = (((0, -1), (0, 0), (1, 0)), ((1, 0), (1, 0), (1, 1)), ((0, 1), (1, 1), (0, 1)), ((-1, 0), (0, 1), (0, 0)))  # fmt: skip
    columns, rows = mask.shape
    for (dx, dy), start, end in sides:
        beside = padded[1 + dx : 1 + dx + columns, 1 + dy : 1 + dy + rows]
        for x, y in np.argwhere(mask & ~beside).tolist():
            edges[x + start[0], y + start[1]].append((x + end[0], y + end[1]))
    loops = []
    while edges:
        corner = next(iter(edges))
        loop, step = [corner], (0, 0)
        while True:
            ends = edges[corner]
            # Where two pixels touch at a corner: turn left, which keeps to the same pixel.
            turn = [
                end for end in ends if (end[0] - corner[0], end[1] - corner[1]) == _LEFT.get(step)
            ]
            end = (turn or ends)[0]
            ends.remove(end)
            if not ends:
                del edges[corner]
            step, corner = (end[0] - corner[0], end[1] - corner[1]), end
            if corner == loop[0]:
                break
            loop.append(corner)
        loops.append(loop)
    return loops


def _corners(loop: list[Point]) -> np.ndarray:
    """Return a loop without the points on straight lines."""
    points = np.array(loop)
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    return points[(before != after).any(axis=1)].astype(float)


def _area(loop: np.ndarray) -> float:
    following = np.roll(loop, -1, axis=0)
    return float((loop[:, 0] * following[:, 1] - following[:, 0] * loop[:, 1]).sum() / 2)


def _around(hole: np.ndarray, outer: list[np.ndarray]) -> int:
    """Return the place of the smallest polygon in which a hole lies."""
    # A point just inside the hole's first edge, whose left is the mask and whose right is the hole.
    start, end = hole[0], hole[1]
    along = (end - start) / np.abs(end - start).max()
    point = start + 0.5 * along + 0.25 * np.array((along[1], -along[0]))
    fitting = [place for place, loop in enumerate(outer) if _holds(loop, point)]
    return min(fitting, key=lambda place: _area(outer[place]))


def _holds(loop: np.ndarray, point: np.ndarray) -> bool:
    """Say whether a point lies in a polygon, by counting edges to its right."""
    following = np.roll(loop, -1, axis=0)
    crosses = (loop[:, 1] > point[1]) != (following[:, 1] > point[1])
    a, b = loop[crosses], following[crosses]
    x = a[:, 0] + (point[1] - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    return int((x > point[0]).sum()) % 2 == 1


def _with_holes(loop: np.ndarray, holes: list[np.ndarray]) -> np.ndarray:
    for hole in holes:
        distances = np.abs(loop[:, None] - hole[None]).sum(axis=2)
        at, start = np.unravel_index(int(distances.argmin()), distances.shape)
        turned = np.roll(hole, -start, axis=0)
        loop = np.concatenate([loop[: at + 1], turned, turned[:1], loop[at:]])
    return loop
