"""The main job, as one sentence: upload -> checked volumes -> labels -> measurements."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.analysis.measurements import Measurements, measure
from model.inference.segmenter import Segmentation, Segmenter
from model.io.case import Case, load_case
from model.io.nifti_header import Limits

Progress = Callable[[str, float], None]

# Reading the files takes about this share of the time to the result.
LOAD_SHARE = 0.1


@dataclass(frozen=True)
class Analysis:
    """Everything that is known of a case once it has been segmented."""

    case: Case
    segmentation: Segmentation
    measurements: Measurements
    timings_s: dict[str, float]


@dataclass(frozen=True)
class Loaded:
    """A checked case, and how long reading it took."""

    case: Case
    seconds: float


def load(scans: Mapping[str, Path], *, names: Mapping[str, str], limits: Limits) -> Loaded:
    """Read one case. Raises CaseError."""
    start = time.perf_counter()
    case = load_case(scans, names=names, limits=limits)
    return Loaded(case, time.perf_counter() - start)


def analyse(
    segmenter: Segmenter,
    scans: Mapping[str, Path],
    *,
    names: Mapping[str, str],
    limits: Limits,
    progress: Progress,
) -> Analysis:
    """Read, segment and measure one case.

    `progress(stage, fraction)` is told the share done, 0 to 1. Raises CaseError.
    """
    progress("load", 0.0)
    return analyse_loaded(segmenter, load(scans, names=names, limits=limits), progress)


def analyse_loaded(segmenter: Segmenter, loaded: Loaded, progress: Progress) -> Analysis:
    """Segment and measure one case. Raises CaseError."""
    start, case = time.perf_counter(), loaded.case
    segmentation = segmenter.segment(case, _after_loading(progress))
    measurements = measure(
        segmentation.labels,
        segmentation.affine,
        segmentation.confidence,
        brain_voxels=segmentation.brain_voxels,
        brain_centre_mm=segmentation.brain_centre_mm,
    )
    total_s = loaded.seconds + time.perf_counter() - start
    timings_s = {"load": loaded.seconds} | segmentation.timings_s | {"total": total_s}
    return Analysis(case, segmentation, measurements, timings_s)


def _after_loading(progress: Progress) -> Progress:
    return lambda stage, fraction: progress(stage, LOAD_SHARE + (1 - LOAD_SHARE) * fraction)
