"""Scores of one case on its 3-D volumes, as the BraTS challenge takes them."""

import numpy as np
from surface_distance import compute_robust_hausdorff, compute_surface_distances

from model.labels import CLASSES, DERIVED, REGIONS

SHORT = {region.short: (region.index,) for region in REGIONS} | {
    "TC": DERIVED["tumor_core"],
    "WT": DERIVED["whole_tumor"],
}
# The challenge's HD95 where only one of truth and prediction is empty: the diagonal of its grid.
HD95_MISSING_MM = 374.0


def dice(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Return the Dice coefficient of two masks; 1 when both are empty."""
    total = np.count_nonzero(truth) + np.count_nonzero(predicted)
    return 2.0 * np.count_nonzero(truth & predicted) / total if total else 1.0


def hd95_mm(truth: np.ndarray, predicted: np.ndarray, spacing_mm: np.ndarray) -> float:
    """Return the 95th percentile Hausdorff distance; 0 when both masks are empty."""
    present = truth.any(), predicted.any()
    if not all(present):
        return HD95_MISSING_MM if any(present) else 0.0
    distances = compute_surface_distances(truth, predicted, [float(mm) for mm in spacing_mm])
    return float(compute_robust_hausdorff(distances, 95))


def score_case(truth: np.ndarray, predicted: np.ndarray, spacing_mm: np.ndarray) -> dict:
    """Return all scores of one case; both volumes hold network indices on one grid.

    By region (NCR, ED, ET, TC, WT): Dice, HD95 in mm, volume error in mL (predicted minus true),
    precision and recall. Overall: voxel accuracy, and dice loss as 1 minus the mean Dice of the
    three network classes.
    """
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    regions = {}
    for short, classes in SHORT.items():
        a, b = np.isin(truth, classes), np.isin(predicted, classes)
        regions[short] = {
            "dice": dice(a, b),
            "hd95_mm": hd95_mm(a, b, spacing_mm),
            "volume_error_ml": (np.count_nonzero(b) - np.count_nonzero(a)) * voxel_ml,
            "precision": _share(a & b, b, empty=not a.any()),
            "recall": _share(a & b, a, empty=not b.any()),
        }
    return {
        "regions": regions,
        "accuracy": float(np.mean(truth == predicted)),
        "dice_loss": dice_loss(regions),
    }


def dice_loss(regions: dict[str, dict]) -> float:
    """Return 1 minus the mean Dice of the three network classes, of scores by region."""
    return 1.0 - float(np.mean([regions[region.short]["dice"] for region in REGIONS]))


def mean_scores(scores: list[dict]) -> dict:
    """Return the mean over cases of every score, in the layout of `score_case`."""
    return {
        "regions": {
            short: {
                key: float(np.mean([score["regions"][short][key] for score in scores]))
                for key in scores[0]["regions"][short]
            }
            for short in SHORT
        },
        "accuracy": float(np.mean([score["accuracy"] for score in scores])),
        "dice_loss": float(np.mean([score["dice_loss"] for score in scores])),
    }


def quick_dice(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return Dice by region of two label volumes in one pass, for use during training."""
    pairs = truth.astype(np.int64) * CLASSES + predicted
    counts = np.bincount(pairs.ravel(), minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    result = {}
    for short, classes in SHORT.items():
        rows = list(classes)
        total = counts[rows].sum() + counts[:, rows].sum()
        result[short] = 2.0 * counts[np.ix_(rows, rows)].sum() / total if total else 1.0
    return result


def _share(part: np.ndarray, whole: np.ndarray, empty: bool) -> float:
    """Return |part| / |whole|; for an empty whole, 1 if `empty` is right and 0 if not."""
    size = np.count_nonzero(whole)
    return np.count_nonzero(part) / size if size else float(empty)
