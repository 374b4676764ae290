"""Small uncertain lesions, and the warning of them."""

import numpy as np
import pytest

from model.labels import CORE, EDEMA, ENHANCING
from model.small_lesions import SmallLesion, small_uncertain
from model.warnings import small_uncertain as warning_of


@pytest.fixture
def marked() -> tuple[np.ndarray, np.ndarray]:
    """A sure tumour of 8 mL with 0.1 mL of enhancement, and a separate one of 0.216 mL; confidences."""
    labels = np.zeros((50, 50, 50), np.uint8)
    labels[2:22, 2:22, 2:22] = EDEMA
    labels[4:14, 4:14, 4:14] = CORE
    labels[5:10, 5:10, 5:9] = ENHANCING
    labels[30:36, 30:36, 30:36] = EDEMA
    return labels, np.full(labels.shape, 230, np.uint8)


def test_sure_lesions_are_not_named_however_small(marked):
    assert small_uncertain(*marked) == ()


def test_a_small_unsure_tumour_is_named(marked):
    labels, confidence = marked
    confidence[30:36, 30:36, 30:36] = 153
    assert small_uncertain(labels, confidence) == (SmallLesion("WT", 0.216, pytest.approx(0.6)),)
    # But not a large one.
    confidence[:] = 153
    labels[4:14, 4:14, 4:14] = ENHANCING
    labels[30:36, 30:36, 30:36] = 0
    assert small_uncertain(labels, confidence) == ()


def test_all_that_enhances_counts_together(marked):
    labels, confidence = marked
    labels[12, 12, 12] = ENHANCING
    confidence[labels == ENHANCING] = 127
    (one,) = small_uncertain(labels, confidence)
    assert one.short == "ET" and one.volume_ml == pytest.approx(0.101)
    assert "all of the enhancing tumour, 0.10 mL, probability 0.50" in warning_of([one]).text


def test_nothing_marked_has_no_small_lesions():
    assert small_uncertain(*np.zeros((2, 5, 5, 5), np.uint8)) == ()
