"""Taken apart and prepared again: sequences end where they belong, masks on every scan's own grid."""

import nibabel as nib
import numpy as np
import pytest
import scipy

from model.errors import CaseError
from model.geometry import labels_to_grid, voxel_ml
from model.io.scans import Scans
from model.preparation.brain_extraction import BrainExtractor
from model.preparation.native import prepare_native
from model.preparation.plan import Options, plan_for
from model.preparation.record import preparation_of
from model.preparation.warnings import native_warnings
from tests.model.preparation.native_cases import moved_image, scans_of, with_volume
from training.data.head import with_head
from training.data.taken_apart import taken_apart


def ignore(stage, share):
    pass


def prepared(scans, mode="auto", start="auto", brain=None):
    extractor = BrainExtractor()
    plan = plan_for(scans, mode, extractor)
    return prepare_native(scans, plan, Options(mode, start), extractor, ignore, brain)


def as_scans(apart):
    return Scans(apart.volumes, {modality: f"{modality}.nii.gz" for modality in apart.volumes})


def overlap(one, other):
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


@pytest.fixture(scope="module")
def apart(demo_case):
    return taken_apart(demo_case[0], np.random.default_rng(3))


@pytest.fixture(scope="module")
def native(apart):
    return prepared(as_scans(apart))


def left_mm(native, apart):
    """Return how far registration left each sequence from where it was put, on average over the brain."""
    reference = native.scans.volumes[native.reference].affine
    points = nib.affines.apply_affine(reference, np.argwhere(native.brain)[::97])
    back = np.linalg.inv(apart.motions[native.reference])
    moved = nib.affines.apply_affine
    return {
        key: np.linalg.norm(
            moved(native.transforms[key], points) - moved(motion @ back, points), axis=1
        ).mean()
        for key, motion in apart.motions.items()
    }


def test_sequences_are_registered(native, apart):
    # The phantom is smooth: real brains are registered better (docs/preparation.md).
    assert max(left_mm(native, apart).values()) < 3
    assert min(native.agreement.values()) > 0.95
    assert min(native.coverage.values()) > 0.99


def test_the_same_scans_are_registered_alike(native, apart):
    """To the last digit, although several are registered side by side."""
    again = prepared(as_scans(apart))
    for key, transform in native.transforms.items():
        np.testing.assert_array_equal(again.transforms[key], transform)


def test_the_network_sees_brain_only_at_1_mm(native):
    case = native.case
    np.testing.assert_allclose(case.spacing_mm, 1.0, atol=1e-9)
    assert nib.aff2axcodes(case.affine) == ("R", "A", "S")
    assert not case.data[~case.brain].any()
    assert np.count_nonzero(case.data[case.brain].all(axis=-1)) > 0.95 * np.count_nonzero(
        case.brain
    )


def test_masks_come_back_on_every_grid(native, apart, demo_case):
    case, labels = demo_case
    whole_ml = np.count_nonzero(labels) * voxel_ml(case.affine)
    on_reference = apart.labels_on(native.reference, labels, case.affine)
    # The truth, taken to the network's grid as it would have drawn it.
    grid = native.scans.volumes[native.reference].affine
    drawn = labels_to_grid(on_reference, grid, native.case.shape, native.case.affine)
    for modality, volume in native.scans.volumes.items():
        found = native.labels_on(modality, drawn)
        assert found.shape == volume.data.shape
        expected = apart.labels_on(modality, labels, case.affine)
        assert overlap(found > 0, expected > 0) > 0.9
        size_ml = np.count_nonzero(found) * voxel_ml(volume.affine)
        assert size_ml == pytest.approx(whole_ml, rel=0.06)


def test_the_brain_of_a_synthetic_head_is_found(demo_case):
    rng = np.random.default_rng(5)
    case = demo_case[0]
    apart = taken_apart(with_head(case, rng), rng)
    native = prepared(as_scans(apart))
    assert native.extracted
    brain = case.data.any(axis=-1).astype(np.uint8)
    expected = apart.labels_on(native.reference, brain, case.affine) > 0
    assert overlap(native.brain, expected) > 0.94
    assert max(left_mm(native, apart).values()) < 3


def test_a_displaced_image_is_moved_back(demo_case):
    scans = moved_image(scans_of(demo_case[0]), "t1ce", (8, 0, 0))
    native = prepared(scans)
    record = preparation_of(native, "nifti", brain_drawn=False)
    for moved in record.registered.values():
        assert moved.translation_mm == pytest.approx(8, abs=0.5)
        assert moved.rotation_deg < 1
    codes = [warning.code for warning in native_warnings(native, np.zeros(native.case.shape))]
    assert codes == ["displaced_sequences"]


def test_what_lay_right_is_left_alone(demo_case):
    scans = scans_of(demo_case[0])
    # One sequence lost the rim of its brain, so that backgrounds do not agree.
    volume = scans.volumes["t2"]
    inner = scipy.ndimage.binary_erosion(volume.data > 0, iterations=2)
    assert prepared(with_volume(scans, "t2", data=np.where(inner, volume.data, 0))) is None


def test_a_brain_that_a_person_drew_is_what_counts(demo_case):
    scans = scans_of(demo_case[0])
    drawn = demo_case[0].data.any(axis=-1)
    drawn[: drawn.shape[0] // 2] = False
    native = prepared(scans, brain=drawn)
    np.testing.assert_array_equal(native.brain, drawn)
    assert not native.extracted
    assert preparation_of(native, "nifti", brain_drawn=True).brain_drawn


def test_scans_that_do_not_belong_together_are_refused(demo_case):
    scans = scans_of(demo_case[0])
    other = np.zeros_like(scans.volumes["t2"].data)
    other[20:60, 30:190, 40:70] = np.random.default_rng(0).uniform(100, 900, (40, 160, 30))
    with pytest.raises(CaseError) as error:
        prepared(with_volume(scans, "t2", data=other))
    assert error.value.code == "registration_failed"
    assert "T2" in error.value.message


def test_a_volume_without_a_brain_is_refused(demo_case):
    scans = scans_of(demo_case[0])
    rng = np.random.default_rng(0)
    for modality, volume in scans.volumes.items():
        leg = rng.uniform(0, 30, volume.data.shape)
        x, y = np.ogrid[: leg.shape[0], : leg.shape[1]]
        leg[(x - 60) ** 2 + (y - 90) ** 2 < 45**2] += 400
        leg[(x - 60) ** 2 + (y - 90) ** 2 < 12**2] += 300
        scans = with_volume(scans, modality, data=leg.astype(np.float32))
    with pytest.raises(CaseError) as error:
        prepared(scans)
    assert error.value.code == "no_brain"


def test_a_field_of_view_that_cuts_the_brain_is_told(demo_case):
    scans = scans_of(demo_case[0])
    volume = scans.volumes["flair"]
    half = volume.data[:, :, 60:]
    affine = volume.affine @ nib.affines.from_matvec(np.eye(3), [0, 0, 60])
    native = prepared(with_volume(scans, "flair", data=half, affine=affine))
    assert native.coverage["flair"] < 0.8
    warnings = native_warnings(native, np.zeros(native.case.shape))
    assert "field_of_view" in [warning.code for warning in warnings]
    # Where FLAIR saw nothing the network gets its mean, not a dark brain.
    assert native.case.data[native.case.brain][:, 0].min() > 0
