from dataclasses import replace

import numpy as np
import pytest

from model.preparation.native import Native
from model.preparation.warnings import native_warnings, share_at_edge
from tests.model.preparation.native_cases import scans_of, with_volume
from tests.phantoms import small_case


@pytest.fixture(scope="module")
def native():
    """The small phantom, as if it had been prepared and had the brain of an adult."""
    case, _ = small_case()
    brain = case.data.any(axis=-1)
    placed = replace(case, brain=brain, affine=case.affine @ np.diag([2, 2, 2, 1]))
    return Native(
        scans_of(placed),
        "t1ce",
        replace(case, brain=brain),
        brain,
        transforms=dict.fromkeys(("flair", "t1", "t1ce", "t2"), np.eye(4)),
        agreement={"flair": 0.97, "t1": 0.96, "t2": 0.95},
        coverage=dict.fromkeys(("flair", "t1", "t1ce", "t2"), 1.0),
        extracted=True,
    )


def codes(native, labels=None):
    labels = np.zeros(native.case.shape, np.uint8) if labels is None else labels
    return [warning.code for warning in native_warnings(native, labels)]


def test_a_good_preparation_only_tells_of_its_voxels(native):
    assert codes(native) == ["resampled"]


def test_what_a_person_should_look_at_has_a_code(native):
    assert "registration_poor" in codes(replace(native, agreement={"t2": 0.85}))
    assert "field_of_view" in codes(replace(native, coverage={"t1": 0.9}))
    small = np.zeros_like(native.brain)
    small[30:50, 30:60, 20:50] = True
    assert "brain_volume" in codes(replace(native, brain=small))
    turned = native.transforms | {"t1": np.diag([1.0, 1.0, 1.0, 1.0]) + np.eye(4, k=3) * 5}
    assert "displaced_sequences" in codes(replace(native, transforms=turned))
    t1 = native.scans.volumes["t1"].data
    air = np.random.default_rng(0).normal(-1000, 5, t1.shape)
    tissue = np.random.default_rng(1).normal(35, 8, t1.shape)
    ct = with_volume(native.scans, "t1", data=np.where(t1 > 0, tissue, air))
    assert "ct_values" in codes(replace(native, scans=ct))


def test_a_tumour_cut_off_by_the_brain_mask_is_told(native):
    brain = native.case.brain
    inside = np.argwhere(brain).mean(axis=0).astype(int)
    grid = np.indices(brain.shape)

    def ball(centre):
        return sum((axis - at) ** 2 for axis, at in zip(grid, centre, strict=True)) < 16**2

    assert share_at_edge(ball(inside), brain) == 0
    cut = brain.copy()
    cut[: inside[0]] = False
    tumour = ball(inside) & cut
    assert share_at_edge(tumour, cut) > 0.35
    network = replace(native.case, brain=cut)
    assert "tumour_at_brain_edge" in codes(replace(native, case=network), tumour.astype(np.uint8))
    # A small lesion at the surface is nothing unusual.
    few = np.zeros_like(brain)
    few[tuple(inside)] = True
    assert share_at_edge(few, brain) == 0
