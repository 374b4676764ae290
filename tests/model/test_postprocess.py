"""Removal of small parts from label volumes."""

import numpy as np
import pytest

from model.labels import CORE, EDEMA, ENHANCING
from model.postprocess import Postprocessing, without_small_parts


@pytest.fixture
def labels() -> np.ndarray:
    """Edema of 8 mL with a core of 1 mL and a speck of 8 voxels in it, and edema of 27 voxels."""
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[2:22, 2:22, 2:22] = EDEMA
    labels[4:14, 4:14, 4:14] = CORE
    labels[4:8, 4:14, 4:14] = ENHANCING
    labels[18:20, 18:20, 18:20] = ENHANCING
    labels[30:33, 30:33, 30:33] = EDEMA
    return labels


def test_nothing_is_tidied_by_default(labels):
    before = labels.copy()
    np.testing.assert_array_equal(without_small_parts(labels, Postprocessing()), before)


def test_small_tumours_go(labels):
    result = without_small_parts(labels, Postprocessing(min_component_ml=0.028))
    assert not result[30:33, 30:33, 30:33].any()
    result[30:33, 30:33, 30:33] = EDEMA
    np.testing.assert_array_equal(result, labels)
    kept = without_small_parts(labels, Postprocessing(min_component_ml=0.027))
    np.testing.assert_array_equal(kept, labels)


def test_specks_of_core_become_edema(labels):
    result = without_small_parts(labels, Postprocessing(min_core_ml=0.009))
    assert (result[18:20, 18:20, 18:20] == EDEMA).all()
    # Enhancing tumour within a large core is no speck, however small.
    np.testing.assert_array_equal(result[4:14, 4:14, 4:14], labels[4:14, 4:14, 4:14])


def test_little_enhancing_tumour_becomes_core_after_specks_went(labels):
    parameters = Postprocessing(min_core_ml=0.009, min_enhancing_ml=0.401)
    result = without_small_parts(labels, parameters)
    assert not (result == ENHANCING).any()
    assert np.count_nonzero(result == CORE) == 1000
