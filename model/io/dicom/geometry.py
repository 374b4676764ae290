"""From slices to one grid: their order, the affine, and what is wrong where there is none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.io.dicom.headers import Frame
from model.io.dicom.reasons import Reason
from model.io.nifti_header import SPACING_RANGE_MM

# From LPS, in which DICOM counts (PS3.3 C.7.6.2.1.1), to RAS.
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Fewer slices do not show whether steps are even.
MIN_SLICES = 3
# Slices turned by more than this against each other are not parallel; headers round to 1e-6 or so.
PARALLEL_DEG = 0.2
# Positions may differ from even steps by this share of a step, or by this much: headers round.
STEP_SHARE, STEP_MM = 0.05, 0.02
# A stack that is tilted by more is sheared. Rounded positions of thin slices reach a tenth of it.
TILT_DEG = 0.5
# Slices may lie beside each other by this share of a pixel.
SHIFT_SHARE = 0.25
# Two slices nearer than this share of a step lie at one place.
SAME_SHARE = 0.1
SAME_MM = 0.01


@dataclass(frozen=True)
class Grid:
    """The grid of a volume (X, Y, Z): columns, rows, slices.

    affine : (4, 4) voxel index to RAS+ mm
    order : for each slice along Z the index of its frame among those that were given
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    order: tuple[int, ...]


def stack(frames: Sequence[Frame]) -> Grid | Reason:
    """Return the grid of slices in any order, or why they have none."""
    problem = _different(frames)
    if problem:
        return problem
    along = np.array([frame.position_mm for frame in frames]) @ frames[0].normal
    if len(frames) > 1 and np.ptp(along) < SAME_MM:
        return Reason("one_place", (len(frames),))
    if len(frames) < MIN_SLICES:
        return Reason("too_few_slices", (len(frames), MIN_SLICES))
    order = np.argsort(along, kind="stable")
    uneven = _uneven(along[order])
    return uneven or _tilt(frames, order) or _shifted(frames, order) or _grid(frames, order)


def stack_affine(
    orientation: Sequence[float], pixel_mm: Sequence[float], first: np.ndarray, step: np.ndarray
) -> np.ndarray:
    """Return the affine (4, 4), voxel index (column, row, slice) to RAS+ mm, of a stack.

    orientation : (6,) cosines; pixel_mm : (2,) between rows, between columns
    first : (3,) LPS mm of the first slice; step : (3,) LPS mm from a slice to the next

    DICOM PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1, with a third column for the slices.
    """
    row, column = np.reshape(orientation, (2, 3))
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = row * pixel_mm[1], column * pixel_mm[0]
    affine[:3, 2], affine[:3, 3] = step, first
    return LPS_TO_RAS @ affine


def distance_deg(one: Sequence[float], other: Sequence[float]) -> float:
    """Return by how many degrees two orientations (6,) are turned against each other, at most."""
    a, b = np.reshape(one, (2, 3)), np.reshape(other, (2, 3))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = np.clip((a * b).sum(axis=1) / lengths, -1, 1)
    return float(np.degrees(np.arccos(cosines)).max())


def _different(frames: Sequence[Frame]) -> Reason | None:
    """Return in what slices differ that must be the same for all of a volume."""
    if not all(f.position_mm and f.orientation and f.pixel_mm for f in frames):
        return Reason("no_position")
    first = frames[0]
    for frame in frames:
        if (frame.columns, frame.rows) != (first.columns, first.rows):
            sizes = (f"{f.columns} x {f.rows}" for f in (first, frame))
            return Reason("mixed_size", tuple(sizes))
        if not np.allclose(frame.pixel_mm, first.pixel_mm, rtol=1e-3, atol=0):
            edges = (f"{f.pixel_mm[1]:g} x {f.pixel_mm[0]:g}" for f in (first, frame))
            return Reason("mixed_spacing", tuple(edges))
        if bool(frame.rescale) != bool(first.rescale):
            return Reason("mixed_rescale")
    turned = max(distance_deg(first.orientation, frame.orientation) for frame in frames)
    return Reason("mixed_orientation", (turned,)) if turned > PARALLEL_DEG else None


def _uneven(along: np.ndarray) -> Reason | None:
    """Return what is wrong with places along the normal in mm, sorted."""
    steps = np.diff(along)
    usual = float(np.median(steps))
    same = steps < max(SAME_MM, SAME_SHARE * usual)
    if same.any():
        return Reason("double_slices", (int(same.sum()), float(along[int(same.argmax())])))
    wrong = np.abs(steps - usual) > max(STEP_MM, STEP_SHARE * usual)
    if not wrong.any():
        return None
    smallest = float(steps.min())
    whole = np.round(steps / smallest)
    if np.all(
        np.abs(steps - whole * smallest) <= np.maximum(STEP_MM, STEP_SHARE * smallest * whole)
    ):
        place = int((whole > 1).argmax())
        missing = int((whole - 1).sum())
        values = (missing, float(along[place]), float(steps[place]), smallest)
        return Reason("missing_slices", values)
    return Reason("uneven_steps", (smallest, float(steps.max())))


def _tilt(frames: Sequence[Frame], order: np.ndarray) -> Reason | None:
    """Return by how much a stack leans, where it does."""
    first, last = (np.array(frames[index].position_mm) for index in (order[0], order[-1]))
    across = (last - first) @ frames[0].normal
    aside = np.linalg.norm(last - first - across * frames[0].normal)
    degrees = float(np.degrees(np.arctan2(aside, across)))
    return Reason("gantry_tilt", (degrees,)) if degrees > TILT_DEG else None


def _shifted(frames: Sequence[Frame], order: np.ndarray) -> Reason | None:
    """Return that slices lie beside the line from the first to the last one, where they do."""
    places = np.array([frames[index].position_mm for index in order])
    line = places[0] + np.linspace(0, 1, len(order))[:, None] * (places[-1] - places[0])
    aside = places - line
    normal = frames[0].normal
    aside = np.linalg.norm(aside - np.outer(aside @ normal, normal), axis=1)
    wrong = aside > max(STEP_MM, SHIFT_SHARE * min(frames[0].pixel_mm))
    return Reason("shifted_slices", (int(wrong.sum()), float(aside.max()))) if wrong.any() else None


def _grid(frames: Sequence[Frame], order: np.ndarray) -> Grid | Reason:
    first, last = frames[order[0]], frames[order[-1]]
    start, end = np.array(first.position_mm), np.array(last.position_mm)
    step = (end - start) / (len(order) - 1)
    edges = (*first.pixel_mm, float(np.linalg.norm(step)))
    if not all(SPACING_RANGE_MM[0] <= edge <= SPACING_RANGE_MM[1] for edge in edges):
        return Reason(
            "bad_spacing", (" x ".join(f"{edge:.3g}" for edge in edges), *SPACING_RANGE_MM)
        )
    affine = stack_affine(first.orientation, first.pixel_mm, start, step)
    shape = (first.columns, first.rows, len(order))
    return Grid(shape, affine, tuple(int(index) for index in order))
