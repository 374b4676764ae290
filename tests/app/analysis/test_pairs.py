"""An earlier examination found on the grid of a later one: a phantom that was turned by a known angle."""

import numpy as np
import pytest

from app.analysis.pairs import Finished, on_current, register_pair
from app.analysis.subtraction import subtract
from app.reporting.rendering import to_display
from model.errors import CaseError
from model.geometry import labels_to_grid, to_canonical
from model.io.modalities import MODALITIES

ANGLE_DEG = 5.0


@pytest.fixture(scope="module")
def pair(phantom):
    """The phantom and itself, lying turned about the vertical axis: `(now, prior, labels, turn)`."""
    case, labels = phantom
    scan, affine = to_canonical(case.data[..., MODALITIES.index("t1ce")], case.affine)
    marks, _ = to_canonical(labels, case.affine)
    angle = np.radians(ANGLE_DEG)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turn[:3, 3] = [3.0, -4.0, 2.0]
    shown = to_display(scan.astype(np.float32))
    now = Finished(shown, scan > 0, affine)
    # The same voxels lie elsewhere in the scanner.
    return now, Finished(shown, scan > 0, turn @ affine), marks, turn


def test_the_turn_is_found(pair):
    now, prior, _, turn = pair
    found = register_pair(now, prior)
    assert found.rotation_deg == pytest.approx(ANGLE_DEG, abs=0.5)
    assert found.agreement > 0.97
    corners = np.array([[-40, -40, -30, 1], [40, 40, 30, 1], [40, -40, 30, 1]]).T
    distance = np.linalg.norm(((np.array(found.matrix) - turn) @ corners)[:3], axis=0)
    assert distance.max() < 1.0


def test_masks_of_the_same_head_lie_on_each_other(pair):
    now, prior, marks, _ = pair
    target = np.array(register_pair(now, prior).matrix) @ now.affine
    before = labels_to_grid(marks, prior.affine, marks.shape, target)
    whole = subtract(before, marks, now.affine).regions["whole_tumor"]
    assert whole.kept_ml > 20 * max(whole.gained_ml, whole.lost_ml)
    shown = on_current(prior.scan, prior.affine, marks.shape, target)
    assert shown.dtype == np.uint8
    brain = now.brain
    assert np.abs(shown[brain].astype(float) - now.scan[brain]).mean() < 12


def test_brains_that_do_not_fit_are_refused(pair):
    now, prior, *_ = pair
    small = np.zeros_like(prior.brain)
    small[30:45, 30:45, 30:45] = True
    with pytest.raises(CaseError, match="do not fit") as caught:
        register_pair(now, Finished(prior.scan, small, prior.affine))
    assert caught.value.code == "registration_failed"
