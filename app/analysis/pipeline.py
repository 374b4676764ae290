"""The main job, as one sentence: files -> scans -> preparation -> network -> labels -> measurements."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np

from app.analysis.measurements import Measurements, measure
from model.geometry import centre_mm, labels_to_grid, voxel_ml
from model.inference.segmenter import Segmentation, Segmenter
from model.io.case import Sequences, same_order
from model.io.nifti import read_volume
from model.io.nifti_header import Limits
from model.io.scans import Scans, in_order_of, read_scans
from model.preparation.brain_extraction import BrainExtractor
from model.preparation.displacement import displaced
from model.preparation.native import Native, prepare_native
from model.preparation.plan import Options, Plan, plan_for, reference_of, registering
from model.preparation.record import Origin, Preparation, preparation_of
from model.preparation.warnings import native_warnings
from model.warnings import CaseWarning, header_conflicts

Progress = Callable[[str, float], None]

# Shares of the time to the result at which reading, and the preparation of native scans, end.
LOAD_SHARE, NATIVE_SHARE = 0.1, 0.6


@dataclass(frozen=True)
class Found:
    """What was found in a case.

    case : the sequences on the grid of the results
    on_other_grids : by modality, labels (X, Y, Z) uint8 on a scan's own grid where that is another, and
        where its voxels lie
    """

    case: Sequences
    segmentation: Segmentation
    preparation: Preparation
    on_other_grids: dict[str, tuple[np.ndarray, nib.Nifti1Header]]


@dataclass(frozen=True)
class Analysis(Found):
    """Everything that is known of a case once it has been segmented."""

    measurements: Measurements
    timings_s: dict[str, float]


@dataclass(frozen=True)
class Loaded:
    """Checked scans, and how long reading them took.

    brain : (X, Y, Z) bool on the reference's grid, where a person has drawn it
    origin : what the scans came as
    warnings : about files that came with them
    """

    scans: Scans
    seconds: float
    brain: np.ndarray | None = None
    origin: Origin = "nifti"
    warnings: tuple[CaseWarning, ...] = ()


def load(
    scans: Mapping[str, Path],
    *,
    names: Mapping[str, str],
    limits: Limits,
    drawn_brain: Path | None = None,
    origin: Origin = "nifti",
    warnings: tuple[CaseWarning, ...] = (),
) -> Loaded:
    """Read one case. Raises CaseError.

    drawn_brain : where a brain mask lies that a person has drawn, if there is one
    """
    start = time.perf_counter()
    found, brain = read_scans(scans, names=names, limits=limits), None
    if drawn_brain and drawn_brain.is_file():
        reference = found.volumes[reference_of(found)]
        brain = in_order_of(read_volume(drawn_brain, limits=limits), reference).data > 0
    return Loaded(found, time.perf_counter() - start, brain, origin, warnings)


def analyse(
    segmenter: Segmenter, loaded: Loaded, options: Options, *, progress: Progress
) -> Analysis:
    """Prepare, segment and measure one case.

    `progress(stage, fraction)` is told the share done, 0 to 1. Raises CaseError.
    """
    start, stages = time.perf_counter(), StageTimes(progress)
    found = _as_it_came(segmenter, loaded, options, stages)
    if isinstance(found, Plan):
        found = _prepared(segmenter, loaded, found, options, stages)
    measurements = measure(
        found.segmentation.labels,
        found.segmentation.affine,
        found.segmentation.confidence,
        brain_voxels=found.segmentation.brain_voxels,
        brain_centre_mm=found.segmentation.brain_centre_mm,
    )
    conflicts = header_conflicts(loaded.scans.volumes)
    warnings = (*loaded.warnings, *conflicts, *found.segmentation.warnings)
    found = replace(found, segmentation=replace(found.segmentation, warnings=warnings))
    total_s = loaded.seconds + time.perf_counter() - start
    timings_s = {"load": loaded.seconds} | stages.seconds() | {"total": total_s}
    return Analysis(**vars(found), measurements=measurements, timings_s=timings_s)


class StageTimes:
    """Passes progress on, and adds up the seconds of each stage."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self._seconds: dict[str, float] = {}
        self._stage, self._since = "preprocess", time.perf_counter()

    def __call__(self, stage: str, fraction: float) -> None:
        if stage != self._stage:
            self._add()
            self._stage = stage
        self._progress(stage, fraction)

    def within(self, low: float, high: float) -> Progress:
        """Return a function to be told the progress of a part that takes from `low` to `high` of the whole."""
        return lambda stage, fraction: self(stage, low + (high - low) * fraction)

    def seconds(self) -> dict[str, float]:
        """Return the seconds by stage, in the order in which they began."""
        self._add()
        return dict(self._seconds)

    def _add(self) -> None:
        now = time.perf_counter()
        self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._since
        self._since = now


def _as_it_came(
    segmenter: Segmenter, loaded: Loaded, options: Options, stages: StageTimes
) -> "Found | Plan":
    """Segment a case that is prepared already; return the plan of one that is not."""
    report = stages.within(LOAD_SHARE, 1.0)
    report("preprocess", 0.0)
    plan = plan_for(loaded.scans, options.mode, BrainExtractor())
    if not plan.nothing or loaded.brain is not None:
        return plan
    prepared = segmenter.preprocess(plan.case)
    may_move = options.mode == "auto" and prepared.stripped
    if may_move and displaced(prepared.volume, prepared.brain, plan.case.present):
        return registering(plan, loaded.scans)
    return _found(loaded, plan, segmenter.segment(plan.case, report, prepared))


def _found(loaded: Loaded, plan: Plan, segmentation: Segmentation) -> Found:
    """Return what was found in a case that was segmented as it came."""
    brain_ml = segmentation.brain_voxels * voxel_ml(segmentation.affine)
    preparation = Preparation(
        plan.reference, brain_extracted=False, brain_ml=round(brain_ml, 3), source=loaded.origin
    )
    others = {
        modality: (labels_to_grid(segmentation.labels, segmentation.affine, *grid), volume.placing)
        for modality, volume in loaded.scans.volumes.items()
        if not same_order(*(grid := (volume.data.shape, volume.affine)), plan.case)
    }
    return Found(plan.case, segmentation, preparation, others)


def _prepared(
    segmenter: Segmenter, loaded: Loaded, plan: Plan, options: Options, stages: StageTimes
) -> Found:
    """Prepare and segment a case that has to be."""
    extractor, report = BrainExtractor(), stages.within(LOAD_SHARE, NATIVE_SHARE)
    native = prepare_native(loaded.scans, plan, options, extractor, report, loaded.brain)
    report = stages.within(NATIVE_SHARE, 1.0)
    if native is None:
        return _found(loaded, plan, segmenter.segment(plan.case, report))
    return _of_native(native, segmenter.segment(native.case, report), loaded)


def _of_native(native: Native, seen: Segmentation, loaded: Loaded) -> Found:
    """Take what the network found back to the grid of the reference and of every other scan."""
    reference, grid = native.reference, native.shown
    segmentation = replace(
        seen,
        labels=native.labels_on(reference, seen.labels),
        confidence=native.confidence_on_reference(seen.confidence),
        affine=grid.affine,
        brain=native.brain,
        brain_voxels=int(np.count_nonzero(native.brain)),
        brain_centre_mm=centre_mm(native.brain, grid.affine),
        warnings=(*seen.warnings, *native_warnings(native, seen.labels)),
    )
    others = {
        modality: (native.labels_on(modality, seen.labels), volume.placing)
        for modality, volume in native.scans.volumes.items()
        if modality != reference
    }
    preparation = preparation_of(native, loaded.origin, loaded.brain is not None)
    return Found(grid, segmentation, preparation, others)
