"""Calibration: whether the share of right voxels is their probability."""

import numpy as np

# From 0, since edema that grew may have less than the quarter that the strongest of four classes has.
EDGES = np.linspace(0.0, 1.0, 21)


def count(
    truth: np.ndarray, labels: np.ndarray, confidence: np.ndarray, asked: np.ndarray
) -> dict[str, list[float]]:
    """Return, by bin of confidence, voxels, right ones and the sum of confidence.

    truth, labels : (X, Y, Z) network indices
    confidence : (X, Y, Z) uint8, 255 = certain
    asked : (X, Y, Z) bool, the voxels to count
    """
    values = confidence[asked] / 255.0
    right = (truth == labels)[asked]
    bins = np.clip(np.digitize(values, EDGES) - 1, 0, len(EDGES) - 2)
    size = len(EDGES) - 1
    return {
        "voxels": np.bincount(bins, minlength=size).tolist(),
        "right": np.bincount(bins, right, size).tolist(),
        "confidence": np.bincount(bins, values, size).round(3).tolist(),
    }


def curve(counts: list[dict]) -> dict[str, np.ndarray]:
    """Return mean confidence and accuracy by bin over all cases, and the voxels in each bin."""
    total = {key: np.sum([case[key] for case in counts], axis=0) for key in counts[0]}
    voxels = np.maximum(total["voxels"], 1)
    return {
        "voxels": total["voxels"],
        "confidence": total["confidence"] / voxels,
        "accuracy": total["right"] / voxels,
    }


def expected_error(curve: dict[str, np.ndarray]) -> float:
    """Return the mean gap between confidence and accuracy, weighted by voxels (Naeini, 2015)."""
    gaps = np.abs(curve["confidence"] - curve["accuracy"])
    return float(np.average(gaps, weights=curve["voxels"]))
