"""Rigid registration of one scan to another, by mutual information.

Mattes mutual information (Mattes et al., 2003, IEEE Transactions on Medical Imaging 22) of SimpleITK, on
copies resampled to 4 mm, then to 2 mm: whole-number shrinking would ruin scans of 26 thick slices. Measured on cases
taken apart (docs/preparation.md), about half a millimetre is left, most of it the thick slices' own.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import nibabel as nib
import numpy as np

from model.geometry import centre_mm, corners_mm, world_grid
from model.preparation.resampling import interpolated, shrunk

# Imported where it is used: it takes a tenth of the app's start.
if TYPE_CHECKING:
    import SimpleITK as sitk

Start = Literal["auto", "header", "centres"]

# What surrounds the brain and is compared, too: fluid, and the skull's inner border.
RIM_MM = 6.0
BINS = 32
SEED = 7
# Of the descent. Steps shrink by the relaxation whenever the direction turns: less careful steps stopped up to
# 6 mm away (0.7; ITK's default is 0.5), more careful ones (0.85, 0.9) gained nothing.
FIRST_STEP_MM, LAST_STEP_MM, MOST_STEPS, RELAXATION = 2.0, 0.02, 200, 0.8
CLIP_PERCENTILES = (1, 99)
# Sequences are taken to lie right as they are if registration moves no point of the brain further than this.
STILL_MM = 0.75


@dataclass(frozen=True)
class Level:
    """Copies that are compared.

    step_mm : edge of their voxels ; smoothing_mm : deviation of the Gaussian ; share : of the voxels that are compared
    reach_mm : how far around a scan's brain that of the reference may lie
    """

    step_mm: float
    smoothing_mm: float
    share: float
    reach_mm: float


# Patients move by less than 30 mm between sequences; the first level leaves a few.
LEVELS = (Level(4.0, 2.0, 0.15, 30.0), Level(2.0, 1.0, 0.04, 12.0))


@dataclass(frozen=True)
class Scan:
    """What is registered.

    data : (X, Y, Z) float32, affine (4, 4)
    brain : bool, roughly, on a grid of its own whose affine is `brain_affine`, over the whole scan
    """

    data: np.ndarray
    affine: np.ndarray
    brain: np.ndarray
    brain_affine: np.ndarray

    @property
    def centre_mm(self) -> np.ndarray:
        """The centre (3,) of the brain in RAS+ mm."""
        return np.array(centre_mm(self.brain, self.brain_affine))

    @property
    def corners_mm(self) -> np.ndarray:
        """The corners (8, 3) of the box around the brain in RAS+ mm."""
        return corners_mm(self.brain, self.brain_affine)

    @property
    def brain_values(self) -> np.ndarray:
        """The intensities (n,) at some voxels of the brain."""
        places = np.argwhere(self.brain[::2, ::2, ::2]) * 2
        inside = nib.affines.apply_affine(np.linalg.inv(self.affine) @ self.brain_affine, places)
        nearest = np.clip(np.rint(inside).astype(int), 0, np.array(self.data.shape) - 1)
        return self.data[tuple(nearest.T)]


def register_all(
    fixed: Scan, moving: Mapping[str, Scan], start: Start, advance: Callable[[float], None]
) -> dict[str, np.ndarray]:
    """Return, by key, the rigid transform (4, 4) from mm of `fixed` to mm of each moving scan.

    The identity where a scan lies right as it is. Side by side, one core each.

    advance : called with the share that is done, 0 to 1
    """
    targets = [comparable(fixed, RIM_MM, level.step_mm) for level in LEVELS]

    def transform_to(scan: Scan) -> np.ndarray:
        matrix = register(fixed, targets, scan, start)
        moved = movement_mm(matrix, fixed.corners_mm)
        return np.eye(4) if moved <= STILL_MM else matrix

    transforms = {}
    # SimpleITK lets go of the interpreter while it works.
    with ThreadPoolExecutor(max(1, min(len(moving), os.cpu_count() or 1))) as pool:
        running = {key: pool.submit(transform_to, scan) for key, scan in moving.items()}
        for key, future in running.items():
            transforms[key] = future.result()
            advance(len(transforms) / len(running))
    return transforms


def register(
    fixed: Scan, targets: Sequence["sitk.Image"], moving: Scan, start: Start = "auto"
) -> np.ndarray:
    """Return the rigid transform (4, 4) from mm of `fixed` to mm of `moving`.

    targets : `comparable(fixed, RIM_MM, …)` of each level
    start : the positions in the headers, the centres of the brains, or the better of the two
    """
    import SimpleITK as sitk

    others = [comparable(moving, level.reach_mm, level.step_mm) for level in LEVELS]
    transform = sitk.Euler3DTransform()
    transform.SetCenter(fixed.centre_mm.tolist())
    shifts = {"header": np.zeros(3), "centres": moving.centre_mm - fixed.centre_mm}
    if start != "auto":
        shifts = {start: shifts[start]}

    still = _method(LEVELS[0])
    # Values need no gradients, whose images take a third of a registration's time.
    still.MetricUseMovingImageGradientFilterOff()

    def misfit(shift: np.ndarray) -> float:
        transform.SetTranslation(shift.tolist())
        still.SetInitialTransform(transform, inPlace=False)
        return still.MetricEvaluate(targets[0], others[0])

    transform.SetTranslation(min(shifts.values(), key=misfit).tolist())
    for level, target, other in zip(LEVELS, targets, others, strict=True):
        method = _method(level)
        method.SetInitialTransform(transform, inPlace=True)
        method.Execute(target, other)
    return matrix_of(transform)


def comparable(scan: Scan, margin_mm: float, step_mm: float) -> "sitk.Image":
    """Return the brain of a scan and what surrounds it as an image of equal voxels along RAS+."""
    import SimpleITK as sitk

    low, high = np.percentile(scan.brain_values, CLIP_PERCENTILES)
    shape, target = world_grid(scan.corners_mm, step_mm, margin_mm)
    data, affine = shrunk(scan.data, scan.affine, step_mm)
    data = np.clip(data, min(low, data.min()), high)
    found = interpolated(data, np.linalg.inv(affine) @ target, shape, outside=float(data.min()))
    image = sitk.GetImageFromArray(np.ascontiguousarray(found.T))
    image.SetSpacing([step_mm] * 3)
    image.SetOrigin(target[:3, 3].tolist())
    return image


def matrix_of(transform) -> np.ndarray:
    """Return a rigid transform of SimpleITK as (4, 4)."""
    turn = np.array(transform.GetMatrix()).reshape(3, 3)
    centre = np.array(transform.GetCenter())
    shift = np.array(transform.GetTranslation())
    return nib.affines.from_matvec(turn, centre + shift - turn @ centre)


def rotation_deg(matrix: np.ndarray) -> float:
    """Return the angle of a rigid transform (4, 4)."""
    cosine = (np.trace(matrix[:3, :3]) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def movement_mm(matrix: np.ndarray, corners: np.ndarray) -> float:
    """Return how far a transform (4, 4) moves the corner of a box (8, 3) in mm that it moves furthest."""
    return float(np.linalg.norm(nib.affines.apply_affine(matrix, corners) - corners, axis=1).max())


def _method(level: Level) -> "sitk.ImageRegistrationMethod":
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    # More than one thread would add up in another order each time, and end elsewhere in the last digits. Of the
    # metric only this sets the number, not the method's own.
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        FIRST_STEP_MM, LAST_STEP_MM, MOST_STEPS, RELAXATION, gradientMagnitudeTolerance=1e-8
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetMetricSamplingPercentage(level.share, SEED)
    method.SetShrinkFactorsPerLevel([1])
    method.SetSmoothingSigmasPerLevel([level.smoothing_mm])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    # Those of the reference are not asked for.
    method.MetricUseFixedImageGradientFilterOff()
    return method
