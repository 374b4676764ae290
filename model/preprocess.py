"""From a case to normalised slices; the one preprocessing that training and serving share.

    case -> canonical, 1 mm -> brain mask and box -> [noise removal] -> [N4] -> z-score -> slices

What may differ between models comes from the model card, as `Preprocessing`; checks, and the inner
parameters of the two optional filters, are fixed here.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np

from model.case import Case
from model.errors import CaseError
from model.geometry import is_isotropic_1mm, to_1mm, to_canonical
from model.modalities import MODALITIES

Plane = Literal["axial", "coronal", "sagittal"]
# By plane: the axes of (X, Y, Z) that count slices, rows and columns. Sagittal slices lie on their
# side, so that the brain's longest axis is that of the columns in axial and sagittal slices alike.
PLANES: dict[Plane, tuple[int, int, int]] = {
    "axial": (2, 0, 1),
    "coronal": (1, 0, 2),
    "sagittal": (0, 2, 1),
}
# Smallest brain that is looked at: a tenth of the smallest adult brain (about 900 mL).
MIN_BRAIN_ML = 90.0
# A skull-stripped scan has at least this share of voxels at exactly its background value.
STRIPPED_BACKGROUND_SHARE = 0.2


@dataclass(frozen=True)
class Preprocessing:
    """Parameters of the steps, as the model card holds them.

    clip_percentiles : intensities are clipped to these percentiles of the brain before mean and
        deviation are taken, so that vessels and artefacts do not move them
    clip_z : z-scores are clipped to plus and minus this
    neighbours : slices taken on each side of a slice (2.5-D)
    mirror : the slice of the left-right mirrored brain is seen as well, since tumours are where the
        halves of a brain differ
    denoise : curvature flow, which smooths along edges (Sethian 1999; SimpleITK)
    bias_correction : N4 (Tustison et al., 2010) on a shrunken volume
    """

    clip_percentiles: tuple[float, float] = (0.5, 99.5)
    clip_z: float = 5.0
    neighbours: int = 1
    mirror: bool = False
    denoise: bool = False
    bias_correction: bool = False

    @property
    def slices(self) -> int:
        """Slices of all sequences that one network input holds."""
        return 2 * self.neighbours + 1 + self.mirror

    @property
    def channels(self) -> int:
        return self.slices * len(MODALITIES)


@dataclass(frozen=True)
class Prepared:
    """What the network sees of a case.

    volume : (X, Y, Z, 4) float16, z-scores in the brain and 0 outside, cut to the brain's box;
        a missing sequence is 0 everywhere, as where training drops one
    brain : (X, Y, Z) bool, same grid
    box : three slices that cut `volume` out of the canonical 1 mm grid
    shape, affine : the canonical 1 mm grid
    stripped : whether the scan came skull-stripped
    """

    volume: np.ndarray
    brain: np.ndarray
    box: tuple[slice, slice, slice]
    shape: tuple[int, int, int]
    affine: np.ndarray
    stripped: bool


@dataclass(frozen=True)
class Window:
    """Where a batch lies.

    indices : its slices, in the volume; `box` : rows and columns of them that are asked for;
    batch : cuts them out of (batch, rows, columns)
    """

    indices: range
    box: tuple[slice, slice]
    batch: tuple[slice, slice, slice]


def prepare(case: Case, parameters: Preprocessing) -> Prepared:
    """Turn a checked case into what the network sees. Raises CaseError `no_brain`."""
    data, affine = to_canonical(case.data, case.affine)
    brain, stripped = brain_mask(data)
    if not is_isotropic_1mm(affine):
        data, brain, affine = at_1mm(data, brain, affine)
    if np.count_nonzero(brain) < MIN_BRAIN_ML * 1000:
        raise CaseError(
            "no_brain",
            f"Less than {MIN_BRAIN_ML:g} mL of the volume is brain.",
            "Upload scans of a whole head, with voxel sizes in mm in their headers.",
        )
    box = bounding_box(brain)
    # In axial slices from here on, each in one piece.
    slices, brain_slices = as_slices(data[box], "axial"), as_slices(brain[box], "axial")
    brain_slices = np.ascontiguousarray(brain_slices)
    brain = brain_slices.transpose(1, 2, 0)
    volume = slice_major((*brain.shape, data.shape[-1]), np.float16)
    into = as_slices(volume, "axial")

    def normalise_one(channel: int) -> None:
        # Outside the brain every sequence is 0, so that no step sees a scanner's background.
        array = np.zeros(brain_slices.shape, np.float32)
        np.copyto(array, slices[..., channel], where=brain_slices)
        if parameters.denoise:
            array = denoised(array)
        if parameters.bias_correction:
            array = bias_corrected(array, brain_slices)
        into[..., channel] = normalised(array, brain_slices, parameters)

    with ThreadPoolExecutor() as pool:
        list(pool.map(normalise_one, case.present))
    return Prepared(volume, brain, box, data.shape[:3], affine, stripped)


def slice_major(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Return zeros (X, Y, Z, ...) in whose memory an axial slice lies in one piece.

    So most slices are read and written in long runs, not voxel by voxel.
    """
    x, y, z, *rest = shape
    return np.zeros((z, x, y, *rest), dtype).transpose(1, 2, 0, *range(3, len(shape)))


def at_1mm(
    data: np.ndarray, brain: np.ndarray, affine: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sequences (X, Y, Z, 4), brain mask (X, Y, Z) and affine resampled to 1 mm.

    The mask is that of the scans' own voxels: resampled ones are blurred, and a rim around the brain
    would count, too (12 % of its volume at 0.94 x 0.94 x 5 mm).
    """
    volumes = [*np.moveaxis(data, -1, 0), brain]
    with ThreadPoolExecutor() as pool:
        *sequences, share = pool.map(lambda volume: to_1mm(volume, affine), volumes)
    return np.stack([array for array, _ in sequences], axis=-1), share[0] >= 0.5, share[1]


def brain_mask(data: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the foreground (X, Y, Z) of a case (X, Y, Z, 4), and whether it is skull-stripped.

    A skull-stripped volume is recognised by its many voxels at exactly one value; the mask is then
    every voxel with another in any sequence. Otherwise Otsu's threshold of the summed, range-scaled
    sequences separates head from air. Constant sequences, as missing ones are, count in neither.
    """
    sequences = [data[..., channel] for channel in range(data.shape[-1])]
    with ThreadPoolExecutor() as pool:
        foreground = list(pool.map(_foreground, sequences))
        shares = [
            1.0 - count / data[..., 0].size for count in pool.map(np.count_nonzero, foreground)
        ]
    stripped = min(shares) >= STRIPPED_BACKGROUND_SHARE
    # In pairs: `logical_or.reduce` of a list would first copy it into one array.
    mask = reduce(np.logical_or, foreground) if stripped else _head_mask(sequences)
    return mask, stripped


def _foreground(sequence: np.ndarray) -> np.ndarray:
    """Return where (X, Y, Z) differs from its lowest value, or from its corners' if more voxels have that.

    The lowest is not the background where z-scores or a smooth interpolation have negative values.
    """
    above = sequence > sequence.min()
    values, counts = np.unique(sequence[np.ix_(*[(0, -1)] * 3)], return_counts=True)
    corner = values[counts.argmax()]
    if corner == sequence.min():
        return above
    return min(above, sequence != corner, key=np.count_nonzero)


def _head_mask(sequences: list[np.ndarray]) -> np.ndarray:
    """Return head against air: Otsu's threshold of the mean of range-scaled (X, Y, Z) volumes."""
    # Imported where it is used, here and below: it takes a tenth of the app's start, and
    # skull-stripped scans do without it.
    import SimpleITK as sitk

    total = np.zeros(sequences[0].shape, np.float32)
    for sequence in sequences:
        low, high = np.percentile(sequence, (1, 99))
        total += np.clip((sequence - low) / max(high - low, np.finfo(np.float32).eps), 0, 1)
    image = sitk.GetImageFromArray(total)
    return sitk.GetArrayFromImage(sitk.OtsuThreshold(image, 0, 1)).astype(bool)


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Return the slices that cut the smallest box around the True voxels of a mask."""
    box = []
    for axis in range(mask.ndim):
        used = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    return tuple(box)


def normalised(array: np.ndarray, brain: np.ndarray, parameters: Preprocessing) -> np.ndarray:
    """Return z-scores over the brain, (X, Y, Z) float32; 0 outside and for a flat volume."""
    values = array[brain]
    low, high = np.percentile(values, parameters.clip_percentiles)
    clipped = np.clip(values, low, high)
    deviation = clipped.std()
    result = np.zeros_like(array)
    if deviation > 0:
        scores = (values - clipped.mean()) / deviation
        result[brain] = np.clip(scores, -parameters.clip_z, parameters.clip_z)
    return result


def denoised(array: np.ndarray) -> np.ndarray:
    """Smooth (X, Y, Z) float32 along edges, not across them."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(array)
    return sitk.GetArrayFromImage(sitk.CurvatureFlow(image, timeStep=0.0625, numberOfIterations=3))


def bias_corrected(array: np.ndarray, brain: np.ndarray, shrink: int = 4) -> np.ndarray:
    """Divide (X, Y, Z) float32 by its bias field (N4), estimated on every `shrink`-th voxel."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(array)
    mask = sitk.GetImageFromArray((brain & (array > 0)).astype(np.uint8))
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations([25, 25, 25])
    factors = [shrink] * 3
    corrector.Execute(sitk.Shrink(image, factors), sitk.Shrink(mask, factors))
    field = sitk.Exp(corrector.GetLogBiasFieldAsImage(image))
    return sitk.GetArrayFromImage(image / sitk.Cast(field, image.GetPixelID()))


def as_slices(volume: np.ndarray, plane: Plane) -> np.ndarray:
    """View (X, Y, Z, ...) as (slices, rows, columns, ...)."""
    return volume.transpose(*PLANES[plane], *range(3, volume.ndim))


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

    `volume` is (X, Y, Z, 4), quickest in float32, `wanted` (X, Y, Z) says of which voxels answers
    are: of the brain, or of a part of it; `seen` are the slices that are taken, all unless told. Of
    each batch only the rows and columns with such voxels are asked for, in its slices and those
    between, in the middle of the first of `shapes` that holds them: towards the top of a head that
    is half the work. What the scan has around them fills the shape. Slices without such voxels are
    left out. The last batch is filled up with empty slices.
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
