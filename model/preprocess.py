"""From a case to a normalised volume; the one preprocessing that training and serving share.

    case -> canonical, 1 mm -> brain mask and box -> [noise removal] -> [N4] -> z-score

What may differ between models comes from the model card, as `Preprocessing`; checks, and the inner
parameters of the two optional filters, are fixed here.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce

import numpy as np

from model.components import largest_component, without_holes
from model.errors import CaseError
from model.geometry import bounding_box, is_isotropic_1mm, to_1mm, to_canonical
from model.io.case import Case
from model.io.modalities import MODALITIES
from model.planes import as_slices, slice_major

# Smallest brain that is looked at: a tenth of the smallest adult brain (about 900 mL).
MIN_BRAIN_ML = 90.0
# More than any brain has with its fluid; what is left of a scan that was skull-stripped is no more.
MAX_BRAIN_ML = 2500.0
# More than any head and neck.
MAX_HEAD_ML = 8000.0
# A skull-stripped scan has at least this share of voxels at exactly its background value.
STRIPPED_BACKGROUND_SHARE = 0.2
# Ripples around a brain are weaker than this share of its median; with them, a brain is larger by this factor
# at least. Of 36 cases without, none is larger by more than 1.03; eight of them interpolated, none by less than 1.07.
WEAK, LEAST_HALO = 0.25, 1.05
# Every such voxel along each axis tells whether there is a halo.
HALO_STEP = 4


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


def prepare(case: Case, parameters: Preprocessing) -> Prepared:
    """Turn a checked case into what the network sees. Raises CaseError `no_brain`."""
    data, affine = to_canonical(case.data, case.affine)
    voxel_ml = float(np.prod(case.spacing_mm)) / 1000
    if case.brain is None:
        brain, stripped = brain_mask(data, voxel_ml)
    else:
        brain, stripped = to_canonical(case.brain, case.affine)[0], True
    if np.count_nonzero(brain) * voxel_ml > MAX_HEAD_ML:
        raise CaseError(
            "no_brain",
            f"More than {MAX_HEAD_ML / 1000:g} litres of the volume are not background.",
            "Upload scans of one head, with voxel sizes in mm in their headers.",
        )
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


def brain_mask(data: np.ndarray, voxel_ml: float = 0.001) -> tuple[np.ndarray, bool]:
    """Return the foreground (X, Y, Z) of a case (X, Y, Z, 4), and whether it is skull-stripped.

    Where `stripped_brain` finds none, Otsu's threshold of the summed, range-scaled sequences separates head
    from air. Constant sequences, as missing ones are, count in none of it.
    """
    sequences = [data[..., channel] for channel in range(data.shape[-1])]
    brain = stripped_brain(sequences, voxel_ml)
    return (_head_mask(sequences), False) if brain is None else (brain, True)


def stripped_brain(sequences: list[np.ndarray], voxel_ml: float = 0.001) -> np.ndarray | None:
    """Return the brain (X, Y, Z) bool of skull-stripped sequences (X, Y, Z) on one grid; None for others.

    Such a volume is recognised by its many voxels at exactly one value; the brain is then every voxel with
    another in any sequence, without a halo of ripples, or, should that be more than a brain, as where the
    background of one sequence is noise, in most of them. What is more than a brain even so is none.
    """
    with ThreadPoolExecutor() as pool:
        pairs = list(pool.map(foreground, sequences))
        found = [mask for mask, _ in pairs]
        shares = [1.0 - count / sequences[0].size for count in pool.map(np.count_nonzero, found)]
    if min(shares) < STRIPPED_BACKGROUND_SHARE:
        return None
    most = MAX_BRAIN_ML / voxel_ml
    if (without_halo := _without_halo(sequences, pairs)) is not None:
        found = [without_halo]
    # In pairs: `logical_or.reduce` of a list would first copy it into one array.
    if np.count_nonzero(mask := reduce(np.logical_or, found)) <= most:
        return mask
    votes = reduce(np.add, (array.view(np.uint8) for array in found))
    present = sum(share < 1 for share in shares[: len(found)])
    if np.count_nonzero(mask := votes > present // 2) <= most:
        return mask
    return None


def _without_halo(
    sequences: list[np.ndarray], found: list[tuple[np.ndarray, float]]
) -> np.ndarray | None:
    """Return the brain (X, Y, Z) bool without the halo around it; None where there is none.

    found : foreground and background's value of each sequence

    A cubic spline leaves ripples of a few per cent around a brain that was cut out before. They are not
    background's value, but weak in every sequence; true brain is weak in one sequence at most.
    """
    few = (slice(None, None, HALO_STEP),) * 3
    given = [
        (sequence, *pair) for sequence, pair in zip(sequences, found, strict=True) if pair[0].any()
    ]
    limits = [
        WEAK * float(np.median(np.abs(sequence[few][mask[few]] - level)))
        for sequence, mask, level in given
        if mask[few].any()
    ]
    if len(limits) < len(given):
        return None

    def strong(places: tuple[slice, ...]) -> np.ndarray:
        rows = zip(given, limits, strict=True)
        return reduce(
            np.logical_or,
            (np.abs(sequence[places] - level) > limit for (sequence, _, level), limit in rows),
        )

    every = reduce(np.logical_or, (mask[few] for _, mask, _ in given))
    if np.count_nonzero(every) <= LEAST_HALO * np.count_nonzero(strong(few)):
        return None
    return without_holes(largest_component(strong((slice(None),) * 3)))


def foreground(sequence: np.ndarray) -> tuple[np.ndarray, float]:
    """Return where (X, Y, Z) is not background, and the value of background.

    The lowest value is not that of the background where z-scores or a smooth interpolation have negative values:
    then it is the corners', if more voxels have that.
    """
    low = sequence.min()
    values, counts = np.unique(sequence[np.ix_(*[(0, -1)] * 3)], return_counts=True)
    corner = values[counts.argmax()]
    level = low
    if corner != low:
        level = max(low, corner, key=lambda value: np.count_nonzero(sequence == value))
    # An inequality is as good at the lowest value, and faster.
    return sequence > low if level == low else sequence != level, level


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
