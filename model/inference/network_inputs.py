"""From a normalised volume to what the network sees: 2.5-D slices, in batches of few sizes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from model.geometry import bounding_box
from model.io.modalities import MODALITIES
from model.planes import Plane, as_slices
from model.preprocess import Preprocessing


@dataclass(frozen=True)
class Window:
    """Where a batch lies.

    indices : its slices, in the volume; `box` : the wanted rows and columns of these slices;
    batch : cuts slices, rows and columns out of (batch, rows, columns)
    """

    indices: range
    box: tuple[slice, slice]
    batch: tuple[slice, slice, slice]


def fill_slice(
    out: np.ndarray,
    volume: np.ndarray,
    index: int,
    parameters: Preprocessing,
    plane: Plane,
    box: tuple[slice, slice] = (slice(None), slice(None)),
) -> None:
    """Put what the network sees of one slice of (X, Y, Z, 4) into zeros (rows, columns, slices, 4).

    Neighbours come in ascending order, empty beyond the ends, the mirrored slice last. `box` cuts
    rows and columns out.
    """
    slices, neighbours = as_slices(volume, plane), parameters.neighbours
    for at, other in enumerate(range(index - neighbours, index + neighbours + 1)):
        if 0 <= other < len(slices):
            out[:, :, at] = slices[other, *box]
    if parameters.mirror:
        out[:, :, -1] = mirrored_slices(volume, plane)[index, *box]


def mirrored_slices(volume: np.ndarray, plane: Plane) -> np.ndarray:
    """View the left-right mirrored volume (X, Y, Z, 4) as (slices, rows, columns, 4).

    A network input ends in the channels of this slice where `Preprocessing.mirror` is set. The
    mirror stands in the middle of the volume, which is cut to the brain's box.
    """
    return as_slices(volume[::-1], plane)


def slice_batches(
    volume: np.ndarray,
    wanted: np.ndarray,
    parameters: Preprocessing,
    plane: Plane,
    shapes: Sequence[tuple[int, int]],
    batch: int,
    seen: range | None = None,
) -> Iterator[tuple[np.ndarray, Window]]:
    """Yield network inputs (batch, H, W, C) float32 and what they show, in the order of slices.

    volume : (X, Y, Z, 4), fastest in float32
    wanted : (X, Y, Z) bool, the voxels that need an answer: the brain, or a part of it
    seen : the slices to take, by default all

    A batch covers the rows and columns of its slices, and of those between them, that have wanted
    voxels. They lie in the middle of the first of `shapes` that is large enough, which halves the work
    towards the top of the head; the rest of the shape shows what is around them. Slices without wanted
    voxels are left out. The last batch is filled up with empty slices.
    """
    wanted = np.ascontiguousarray(as_slices(wanted, plane))
    seen = range(len(wanted)) if seen is None else seen
    for start in range(0, len(seen), batch):
        taken = seen[start : start + batch]
        inside = wanted[max(0, taken[0] - seen.step + 1) : taken[-1] + seen.step].any(axis=0)
        if not inside.any():
            continue
        box = bounding_box(inside)
        shape = fitting_shape(tuple(cut.stop - cut.start for cut in box), shapes)
        starts = centred(box, shape)
        inputs = np.zeros((batch, *shape, parameters.channels), np.float32)
        by_slice = inputs.reshape(*inputs.shape[:3], parameters.slices, len(MODALITIES))
        around, where = overlap(starts, shape, inside.shape)
        for row, index in enumerate(taken):
            fill_slice(by_slice[row, *where], volume, index, parameters, plane, around)
        asked = (slice(a.start - b, a.stop - b) for a, b in zip(box, starts, strict=True))
        yield inputs, Window(taken, box, (slice(0, len(taken)), *asked))


def centred(box: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return where a larger `shape` starts that has `box` in its middle; may be below 0."""
    return tuple(
        cut.start - (length - (cut.stop - cut.start)) // 2
        for cut, length in zip(box, shape, strict=True)
    )


def overlap(
    starts: tuple[int, ...], shape: tuple[int, ...], outer: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return what of an array of size `outer` a window covers, and where in the window that is.

    The window starts at `starts` and has the size `shape`; it may reach beyond the array.
    """
    ends = [min(a + length, end) for a, length, end in zip(starts, shape, outer, strict=True)]
    covered = tuple(slice(max(0, a), end) for a, end in zip(starts, ends, strict=True))
    within = tuple(slice(c.start - a, c.stop - a) for c, a in zip(covered, starts, strict=True))
    return covered, within


def fitting_shape(size: tuple[int, int], shapes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the first of `shapes` that holds `size`, else `size` rounded up to multiples of 32."""
    for shape in shapes:
        if size[0] <= shape[0] and size[1] <= shape[1]:
            return tuple(shape)
    return tuple(-(-length // 32) * 32 for length in size)
