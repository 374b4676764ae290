"""Scores of the serving path on labelled cases: a case is read and segmented as an upload is."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model.inference.segmenter import Segmenter
from model.io.case import find_case_files, find_mask_file, load_case
from model.labels import from_file_values
from training.data.labelled import read_labels
from training.data.resampling import with_voxels
from training.scoring import calibration
from training.scoring.lesion_wise import LESION_REGIONS, score_lesions_by_region
from training.scoring.scores import score_case


def score_folder(
    segmenter: Segmenter,
    folder: Path,
    without: str | None = None,
    voxels_mm: Sequence[float] | None = None,
) -> dict:
    """Return the scores of one labelled case, and the seconds that reading and segmenting took.

    without : modality whose file is not read
    voxels_mm : edges of the voxels that scans and mask are resampled to first

    Raises CaseError.
    """
    started = time.perf_counter()
    files = find_case_files(folder)
    case = load_case({modality: path for modality, path in files.items() if modality != without})
    loaded = time.perf_counter() - started
    truth = from_file_values(read_labels(find_mask_file(folder), case))
    if voxels_mm:
        case, truth = with_voxels(case, truth, voxels_mm)
    started, used = time.perf_counter(), time.process_time()
    result = segmenter.segment(case)
    segmented, used = time.perf_counter() - started, time.process_time() - used
    scores = score_case(truth, result.labels, case.spacing_mm)
    return scores | {
        "lesion_wise": score_lesions_by_region(truth, result.labels, case.spacing_mm),
        "calibration_by_label": calibration.by_label(truth, result.labels, result.confidence),
        "expected_dice": result.expected_dice,
        "look_closely": any(warning.code == "look_closely" for warning in result.warnings),
        "missing": list(case.missing),
        "seconds": {
            "read": round(loaded, 3),
            "segment": round(segmented, 3),
            # Over all cores. Other work on the machine changes it less than it changes waiting times.
            "processor": round(used, 3),
            **result.timings_s,
        },
    }


def mean_lesion_wise(cases: dict[str, dict]) -> dict[str, dict[str, float]]:
    """Return mean lesion-wise Dice and HD95 over cases, and the lesions of all, by region."""
    result = {}
    for short in LESION_REGIONS:
        scores = [case["lesion_wise"][short] for case in cases.values()]
        means = {key: float(np.mean([s[key] for s in scores])) for key in ("dice", "hd95_mm")}
        sums = {key: sum(s[key] for s in scores) for key in ("lesions", "missed", "false")}
        result[short] = means | sums
    return result
