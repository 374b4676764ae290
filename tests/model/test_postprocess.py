"""Removal of small improbable parts from label volumes, and calibrated confidence."""

import numpy as np
import pytest

from model.labels import CLASSES, CORE, EDEMA, ENHANCING
from model.postprocess import (
    Postprocessing,
    calibration_table,
    postprocess,
    without_doubtful_parts,
)
from model.probabilities import ProbabilityAccumulator

SPECK = (slice(18, 20),) * 3
ISLAND = (slice(30, 33),) * 3


@pytest.fixture
def labels() -> np.ndarray:
    """Edema of 8 mL with a core of 1 mL and a speck of 8 voxels in it, and edema of 27 voxels."""
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[2:22, 2:22, 2:22] = EDEMA
    labels[4:14, 4:14, 4:14] = CORE
    labels[4:8, 4:14, 4:14] = ENHANCING
    labels[SPECK] = ENHANCING
    labels[ISLAND] = EDEMA
    return labels


def probabilities(labels: np.ndarray, probability: float, second: int) -> ProbabilityAccumulator:
    """Give each voxel's label `probability`, and the class `second` most of what is left."""
    total = np.full((*labels.shape, CLASSES), 0.01, np.float32)
    total[..., second] = 1 - probability - 0.02
    np.put_along_axis(total, labels[..., None].astype(np.intp), probability, axis=3)
    return ProbabilityAccumulator(total, np.ones((*labels.shape, 1), np.float32))


def tidied(labels, parameters, probability=0.6, second=EDEMA) -> np.ndarray:
    found = probabilities(labels, probability, second)
    return without_doubtful_parts(labels, found, parameters)


def test_nothing_is_tidied_by_default(labels):
    before = labels.copy()
    np.testing.assert_array_equal(tidied(labels, Postprocessing()), before)


def test_small_tumours_go(labels):
    result = tidied(labels, Postprocessing(min_component_ml=0.028))
    assert not result[ISLAND].any()
    result[ISLAND] = EDEMA
    np.testing.assert_array_equal(result, labels)
    kept = tidied(labels, Postprocessing(min_component_ml=0.027))
    np.testing.assert_array_equal(kept, labels)


def test_specks_of_core_become_edema(labels):
    result = tidied(labels, Postprocessing(min_core_ml=0.009), second=CORE)
    assert (result[SPECK] == EDEMA).all()
    # Enhancing tumour within a large core is no speck, however small.
    np.testing.assert_array_equal(result[4:14, 4:14, 4:14], labels[4:14, 4:14, 4:14])


@pytest.mark.parametrize("second", [CORE, EDEMA])
def test_specks_of_enhancing_tumour_become_what_is_next_likely(labels, second):
    result = tidied(labels, Postprocessing(min_enhancing_ml=0.009), second=second)
    assert (result[SPECK] == second).all()
    result[SPECK] = ENHANCING
    np.testing.assert_array_equal(result, labels)


def test_small_parts_stay_that_are_probable_enough(labels):
    sizes = {"min_component_ml": 0.1, "min_core_ml": 0.1, "min_enhancing_ml": 0.5}
    unsure = tidied(labels, Postprocessing(**sizes, keep_probability=0.7))
    assert not unsure[ISLAND].any() and (unsure[SPECK] == EDEMA).all()
    for temperature, stays in ((1.0, True), (2.0, False)):
        parameters = Postprocessing(
            **sizes, keep_probability=0.7, temperatures=(temperature,) * CLASSES
        )
        # Odds of 3 are 0.75; with a temperature of 2 they are 1.7, 0.63.
        result = tidied(labels, parameters, probability=0.75)
        assert np.array_equal(result, labels) == stays


def test_confidence_is_that_of_the_label_that_is_left_and_calibrated(labels):
    found = probabilities(labels, 0.8, EDEMA)
    brain = np.ones(labels.shape, bool)
    parameters = Postprocessing(min_enhancing_ml=0.009, temperatures=(1.0, 1.0, 1.0, 2.0))
    result, confidence = postprocess(found, brain, parameters)
    assert (result[SPECK] == EDEMA).all()
    np.testing.assert_allclose(confidence[SPECK] / 255, 0.18, atol=0.003)
    # Odds of 4 become 2.
    np.testing.assert_allclose(confidence[result == ENHANCING] / 255, 2 / 3, atol=0.003)
    np.testing.assert_allclose(confidence[result == CORE] / 255, 0.8, atol=0.003)


def test_a_temperature_of_one_changes_no_confidence():
    table = calibration_table((1.0, 0.5, 2.0, 1.0))
    np.testing.assert_array_equal(table[0], np.arange(256))
    assert (np.diff(table.astype(int), axis=1) >= 0).all()
    assert table[1, 200] > 200 > table[2, 200] and (table[:, [0, 255]] == [0, 255]).all()
