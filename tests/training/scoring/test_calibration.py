"""Calibration of made-up answers, of which it is known how often they are right."""

import json

import numpy as np
import pytest

from model.labels import CLASSES
from model.probabilities import calibrated
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


def answers(rng: np.random.Generator, temperature: float, size: int = 40) -> dict:
    """Score a case whose regions are right with the calibrated probability at `temperature`."""
    sure = rng.uniform(0.3, 0.99, (size,) * 3)
    labels = rng.integers(0, CLASSES, sure.shape).astype(np.uint8)
    is_right = rng.random(sure.shape) < calibrated(sure, temperature)
    truth = np.where(is_right, labels, (labels + 1) % CLASSES)
    confidence = np.rint(sure * 255).astype(np.uint8)
    return {"calibration_by_label": calibration.by_label(truth, labels, confidence)}


def test_the_summary_is_of_marked_voxels_and_of_single_regions():
    right, wrong = np.full((10, 10, 10), 2, np.uint8), np.full((10, 10, 10), 1, np.uint8)
    sure = np.full(right.shape, 204, np.uint8)
    # Of two cases of one size, one is all right and one all wrong, at 0.8.
    cases = [
        {"calibration_by_label": calibration.by_label(truth, right, sure)}
        for truth in (right, wrong)
    ]
    assert calibration.marked(cases[0])["voxels"].sum() == right.size
    found = calibration.summary(cases)
    assert found["error"] == pytest.approx(0.3) and found["case_gap"] == pytest.approx(0.74)
    nothing = calibration.by_label(right, np.zeros_like(right), sure)
    empty = calibration.summary([{"calibration_by_label": nothing}])
    assert empty == {"error": 0.0, "case_gap": 0.0}


@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.5])
def test_the_temperature_that_made_the_answers_is_found(temperature):
    rng = np.random.default_rng(1)
    # A small case weighs as much as a large one.
    cases = [answers(rng, temperature), answers(rng, temperature, 20)]
    background, *regions = calibration.temperatures(cases)
    assert background == 1.0 and regions == pytest.approx([temperature] * 3, rel=0.15)


def test_a_region_that_nobody_has_stays_as_it_is():
    empty = calibration.count(*np.zeros((3, 2, 2, 2), np.uint8), np.zeros((2, 2, 2), bool))
    assert calibration.best_temperature([empty]) == 1.0


def test_temperatures_are_printed_on_top_of_those_in_use(tmp_path, capsys):
    path = tmp_path / "scores.json"
    cases = {"a": answers(np.random.default_rng(2), 2.0)}
    used = [1.0, 2.0, 1.0, 1.0]
    path.write_text(json.dumps({"model": {"temperatures": used}, "cases": cases}))
    assert calibration.main([str(path)]) == 0
    background, core, edema, _ = map(float, capsys.readouterr().out.split())
    assert background == 1.0 and core == pytest.approx(4.0, abs=0.4)
    assert edema == pytest.approx(2.0, abs=0.2)
