"""Calibration: whether the share of right voxels is their probability, and how to make it so.

    python -m training.scoring.calibration scores.json

prints the temperatures that calibrate the model which `training.evaluate` scored.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from model.labels import REGIONS
from model.probabilities import calibrated

# From 0, since edema that grew may have less than the quarter that the strongest of four classes has.
EDGES = np.linspace(0.0, 1.0, 21)
# The share of regions of single cases that the gap which is told covers.
CLOSER_PERCENT = 90
# Temperatures that are tried.
TEMPERATURES = np.round(np.arange(0.5, 4.001, 0.05), 2)


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


def marked(case: dict) -> dict[str, np.ndarray]:
    """Return `count` of all voxels that are marked, of a case's scores."""
    counts = case["calibration_by_label"]
    return {key: np.sum([count[key] for count in counts], axis=0) for key in counts[0]}


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
    return float(gaps @ curve["voxels"] / max(curve["voxels"].sum(), 1))


def summary(cases: list[dict]) -> dict[str, float]:
    """Return how far probability and the share of right voxels are apart, of scores by case.

    "error" is `expected_error` over the marked voxels of all cases. "case_gap" is of single regions of
    single cases, between mean probability and share: nine of ten are closer.
    """
    regions = [count for case in cases for count in case["calibration_by_label"]]
    gaps = [
        abs(sum(region["confidence"]) - sum(region["right"])) / sum(region["voxels"])
        for region in regions
        if sum(region["voxels"])
    ]
    return {
        "error": expected_error(curve([marked(case) for case in cases])),
        "case_gap": float(np.percentile(gaps, CLOSER_PERCENT)) if gaps else 0.0,
    }


def by_label(truth: np.ndarray, labels: np.ndarray, confidence: np.ndarray) -> list[dict]:
    """Return `count` of the voxels that are marked as each region, in the order of `REGIONS`."""
    return [count(truth, labels, confidence, labels == region.index) for region in REGIONS]


def best_temperature(counts: list[dict]) -> float:
    """Return the temperature at which the observed shares are most likely; each case weighs alike.

    counts : of the cases, as `count` returns them; cases without voxels count nothing
    """
    found = [case for case in counts if sum(case["voxels"])]
    loss = sum(_loss(case) for case in found)
    return float(TEMPERATURES[np.argmin(loss)]) if found else 1.0


def temperatures(cases: list[dict], used: tuple[float, ...] = (1.0,) * (len(REGIONS) + 1)) -> list:
    """Return the temperature of background, which stays, and of each region.

    cases : scores of `score_folder`, with confidences that were calibrated by the temperatures `used`
    """
    fitted = [
        best_temperature([case["calibration_by_label"][number] for case in cases])
        for number in range(len(REGIONS))
    ]
    pairs = zip(used, [1.0, *fitted], strict=True)
    return [round(before * more, 3) for before, more in pairs]


def _loss(case: dict) -> np.ndarray:
    """Return the mean negative log-likelihood of one case at each of `TEMPERATURES`."""
    voxels, right, confidence = (np.array(case[key]) for key in ("voxels", "right", "confidence"))
    mean = np.clip(confidence / np.maximum(voxels, 1), 1 / 510, 1 - 1 / 510)
    found = np.stack([calibrated(mean, temperature) for temperature in TEMPERATURES])
    return -(right * np.log(found) + (voxels - right) * np.log1p(-found)).sum(axis=1) / voxels.sum()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("scores", type=Path, help="what training.evaluate wrote of unseen patients")
    result = json.loads(parser.parse_args(arguments).scores.read_text())
    used = result["model"]["temperatures"]
    print(*temperatures(list(result["cases"].values()), tuple(used)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
