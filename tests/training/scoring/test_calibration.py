"""Calibration of made-up answers, of which it is known how often they are right."""

import numpy as np

from training.scoring import calibration


def test_calibration_compares_confidence_with_accuracy():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.25, 1, (40, 40, 40))
    labels = rng.integers(0, 4, sure.shape).astype(np.uint8)
    truth = np.where(rng.random(sure.shape) < sure, labels, (labels + 1) % 4)
    confidence = np.rint(sure * 255).astype(np.uint8)
    everywhere = np.ones(sure.shape, bool)
    counts = calibration.count(truth, labels, confidence, everywhere)
    assert sum(counts["voxels"]) == sure.size
    curve = calibration.curve([counts, counts])
    assert curve["voxels"].sum() == 2 * sure.size
    assert calibration.expected_error(curve) < 0.02
    boastful = calibration.count(truth, labels, np.full_like(confidence, 255), everywhere)
    assert calibration.expected_error(calibration.curve([boastful])) > 0.3
