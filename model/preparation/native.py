"""Scans as a hospital has them, turned into the case that the network sees, and results turned back.

coarse brains -> registration to the reference -> brain of the reference -> 1 mm, brain only
labels at 1 mm -> the grid of the reference, and that of every other scan
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import nibabel as nib
import numpy as np

from model.errors import CaseError
from model.geometry import (
    bounding_box,
    canonical_grid,
    corners_mm,
    labels_to_grid,
    shifted,
    spacing_mm,
    world_grid,
)
from model.io.case import Case, OnRequest
from model.io.modalities import MODALITIES, TITLES
from model.io.nifti import Volume
from model.io.scans import Scans
from model.preparation.brain_extraction import BrainExtractor, CoarseBrain
from model.preparation.plan import Options, Plan
from model.preparation.registration import Scan, register_all
from model.preparation.resampling import interpolated, resampled, resampled_in_parts

# What the network's case holds around the brain, so that nothing ends at its edge.
MARGIN_MM = 3.0
# Brains that agree by less than this, as Dice, after registration do not belong together; those that agree by less
# than the other are looked at again without what is far from the brain, which the coarse network may not see through.
LEAST_AGREEMENT, DOUBTFUL_AGREEMENT = 0.75, 0.9
# What a second look shows around the brain, and its voxels; on these, brains are compared, too.
HEAD_MM, HEAD_STEP_MM = 25.0, 2.0
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Native:
    """Scans that were prepared.

    case : what the network sees: 1 mm, brain only, along the axes of the reference
    brain : (X, Y, Z) bool on that grid
    transforms : by modality, (4, 4) from mm of the reference to mm of the scan
    agreement : by registered modality, how well its brain fits that of the reference, as Dice
    coverage : by modality, which share of the brain lies in its field of view
    extracted : whether the brain was found here, not given
    """

    scans: Scans
    reference: str
    case: Case
    brain: np.ndarray
    transforms: dict[str, np.ndarray]
    agreement: dict[str, float]
    coverage: dict[str, float]
    extracted: bool

    @property
    def shown(self) -> OnRequest:
        """The sequences on the reference's own grid, with their skulls."""
        grid = self.scans.volumes[self.reference]
        return OnRequest(
            grid.data.shape, grid.affine, self._on_reference, self.scans.missing, grid.placing
        )

    def _on_reference(self, channel: int) -> np.ndarray:
        """Return the sequence of a channel, (X, Y, Z) float32, on the reference's grid."""
        modality = MODALITIES[channel]
        volume, grid = self.scans.volumes[modality], self.scans.volumes[self.reference]
        if modality == self.reference:
            return volume.data
        target = self.transforms[modality] @ grid.affine
        return resampled_in_parts(volume.data, volume.affine, grid.data.shape, target)

    def confidence_on_reference(self, confidence: np.ndarray) -> np.ndarray:
        """Return the confidence (X, Y, Z) uint8 of the network's case on the reference's grid; 255 outside the brain."""
        grid, box = self.scans.volumes[self.reference], bounding_box(self.brain)
        target = shifted(grid.affine, [cut.start for cut in box])
        brain = self.brain[box]
        found = _on(confidence.astype(np.float32), self.case.affine, brain.shape, target)
        result = np.full(grid.data.shape, 255, np.uint8)
        result[box][brain] = np.rint(found[brain])
        return result

    def labels_on(self, modality: str, labels: np.ndarray) -> np.ndarray:
        """Return labels (X, Y, Z) uint8 of the network's case on the grid of a scan."""
        grid = self.scans.volumes[modality]
        to_reference = np.linalg.inv(self.transforms[modality]) @ grid.affine
        return labels_to_grid(labels, self.case.affine, grid.data.shape, to_reference)


def prepare_native(
    scans: Scans,
    plan: Plan,
    options: Options,
    extractor: BrainExtractor,
    report: Progress,
    brain: np.ndarray | None = None,
) -> Native | None:
    """Do what a plan says; return None if registration found nothing to do and the case is right as it came.

    report : told each step and the share of all that is done, 0 to 1
    brain : (X, Y, Z) bool on the reference's grid, where a person has drawn it

    Raises CaseError `no_brain` or `registration_failed`.
    """
    report("brain", 0.0)
    known = dict(plan.brains) | ({plan.reference: brain} if brain is not None else {})
    coarse = _coarse_brains(scans, known, extractor)
    positions = _scans_with_brains(scans, known, coarse)
    report("register", 0.2)
    moving = {key: positions[key] for key in plan.register}
    advance = partial(_within, report, "register", 0.2, 0.7)
    transforms = dict.fromkeys(positions, np.eye(4))
    fixed = scans.volumes[plan.reference]
    # The fine brain needs no registration, and neither keeps all cores busy.
    with ThreadPoolExecutor(1) as pool:
        if plan.reference not in known:
            near = coarse[plan.reference]
            finding = pool.submit(extractor.fine, fixed.data, fixed.affine, near)
        transforms |= register_all(positions[plan.reference], moving, options.start, advance)
    still = all(np.array_equal(matrix, np.eye(4)) for matrix in transforms.values())
    if still and not plan.extract and brain is None and plan.case is not None:
        return None
    report("brain", 0.7)
    if plan.reference not in known:
        known[plan.reference] = finding.result()
    report("resample", 0.75)
    found = _native(scans, plan.reference, known[plan.reference], transforms)
    agreement = {}
    for key in plan.register:
        pair = positions[plan.reference], positions[key]
        agreement[key] = agreement_of(*pair, transforms[key])
        if agreement[key] < DOUBTFUL_AGREEMENT and key not in known:
            closer = seen_closely(*pair, transforms[key], extractor)
            agreement[key] = max(agreement[key], agreement_of(pair[0], closer, np.eye(4)))
    if failed := [key for key, value in agreement.items() if value < LEAST_AGREEMENT]:
        raise CaseError(
            "registration_failed",
            f"{' and '.join(TITLES[key] for key in failed)} could not be registered to {TITLES[plan.reference]}: "
            "their brains do not fit on each other.",
            "Check that all scans are of one patient's head, and which file is which sequence.",
        )
    report("resample", 1.0)
    return replace(found, agreement=agreement, extracted=plan.extract and brain is None)


def _within(report: Progress, stage: str, low: float, high: float, share: float) -> None:
    report(stage, low + (high - low) * share)


def _coarse_brains(
    scans: Scans, known: dict[str, np.ndarray], extractor: BrainExtractor
) -> dict[str, CoarseBrain]:
    """Return roughly where the brain is in the scans of which it is not known."""
    unknown = {key: volume for key, volume in scans.volumes.items() if key not in known}
    if not unknown:
        return {}
    found = extractor.coarse([(volume.data, volume.affine) for volume in unknown.values()])
    return dict(zip(unknown, found, strict=True))


def _scans_with_brains(
    scans: Scans, known: dict[str, np.ndarray], coarse: dict[str, CoarseBrain]
) -> dict[str, Scan]:
    def scan_of(modality: str, volume: Volume) -> Scan:
        if modality in known:
            return Scan(volume.data, volume.affine, known[modality], volume.affine)
        return Scan(volume.data, volume.affine, *coarse[modality].on_grid())

    return {key: scan_of(key, volume) for key, volume in scans.volumes.items()}


def agreement_of(fixed: Scan, moving: Scan, transform: np.ndarray) -> float:
    """Return how well the brain of a registered scan fits that of the reference, as Dice.

    transform : (4, 4), from mm of `fixed` to mm of `moving`

    What lies outside the field of view of either does not count.
    """
    shape, grid = world_grid(fixed.corners_mm, HEAD_STEP_MM, HEAD_MM)
    expected = _on(fixed.brain, fixed.brain_affine, shape, grid, outside=np.nan)
    found = _on(moving.brain, moving.brain_affine, shape, transform @ grid, outside=np.nan)
    seen = np.isfinite(expected) & np.isfinite(found)
    expected, found = (expected > 0.5) & seen, (found > 0.5) & seen
    both = np.count_nonzero(found & expected)
    return float(2 * both / max(1, np.count_nonzero(found) + np.count_nonzero(expected)))


def seen_closely(
    fixed: Scan, moving: Scan, transform: np.ndarray, extractor: BrainExtractor
) -> Scan:
    """Return the surroundings of the reference's brain in a registered scan, with the brain found there."""
    shape, affine = world_grid(fixed.corners_mm, HEAD_STEP_MM, HEAD_MM)
    data = resampled(moving.data, moving.affine, shape, transform @ affine)
    try:
        (coarse,) = extractor.coarse([(data, affine)])
    except CaseError:
        return Scan(data, affine, np.zeros(shape, bool), affine)
    return Scan(data, affine, *coarse.on_grid())


def _on(
    volume: np.ndarray,
    affine: np.ndarray,
    shape: tuple[int, ...],
    target: np.ndarray,
    outside: float = 0.0,
) -> np.ndarray:
    """Return (X, Y, Z) linearly on another grid, float32; `outside` beyond its edges."""
    return interpolated(volume, np.linalg.inv(affine) @ target, shape, outside)


def _native(
    scans: Scans, reference: str, brain: np.ndarray, transforms: dict[str, np.ndarray]
) -> Native:
    """Resample all sequences to 1 mm around the brain."""
    fixed = scans.volumes[reference]
    shape, affine = _network_grid(brain, fixed.affine)
    inside = _on(brain, fixed.affine, shape, affine) > 0.5
    data = np.zeros((len(MODALITIES), *reversed(shape)), np.float32).T
    coverage = {}

    def resample(modality: str) -> None:
        volume, channel = scans.volumes[modality], MODALITIES.index(modality)
        transform = transforms[modality]
        target = transform @ affine
        seen = resampled(volume.data, volume.affine, shape, target, outside=np.nan, sharp=True)
        covered = np.isfinite(seen)
        coverage[modality] = float(covered[inside].mean())
        seen[~covered] = seen[covered & inside].mean() if (covered & inside).any() else 0.0
        data[..., channel] = np.where(inside, seen, 0.0)

    # One after the other: each uses all cores, and side by side they would fill the memory.
    for modality in scans.volumes:
        resample(modality)
    return Native(
        scans,
        reference,
        Case(data, affine, scans.missing, scans.oriented, brain=inside),
        brain,
        transforms,
        agreement={},
        coverage=coverage,
        extracted=False,
    )


def _network_grid(brain: np.ndarray, affine: np.ndarray) -> tuple[tuple[int, int, int], np.ndarray]:
    """Return shape and affine of the 1 mm grid around a brain, along the RAS+ axes of its scan."""
    _, canonical = canonical_grid(brain.shape, affine)
    axes = canonical[:3, :3] / spacing_mm(canonical)
    corners = corners_mm(brain, affine) @ np.linalg.inv(axes).T
    low, high = corners.min(axis=0) - MARGIN_MM, corners.max(axis=0) + MARGIN_MM
    shape = tuple(int(length) for length in np.ceil(high - low))
    return shape, nib.affines.from_matvec(axes, axes @ (low + 0.5))
