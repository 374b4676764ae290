"""Orientation and spacing, against nibabel's reference and by round trip."""

import nibabel as nib
import numpy as np
import pytest

from model import geometry
from tests.phantoms import orientations, turned

ALL = list(orientations())
# Odd lengths, so that a half-voxel mistake shows.
ARRAY = np.random.default_rng(0).normal(size=(5, 7, 9, 2)).astype(np.float32)
OBLIQUE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.2, -0.1, 0.15) @ np.diag([1.0, 1.2, 0.9]), [11, -7, 3]
)


def test_there_are_48_orientations():
    assert len(set(ALL)) == 48


@pytest.mark.parametrize("axes", ALL, ids="".join)
@pytest.mark.parametrize(
    "affine", [np.diag([1.0, 1.0, 1.0, 1.0]), OBLIQUE], ids=["plain", "oblique"]
)
def test_round_trip_through_canonical_is_exact(axes, affine):
    array, source = turned(ARRAY, affine, axes)
    canonical, canonical_affine = geometry.to_canonical(array, source)
    assert nib.aff2axcodes(canonical_affine) == ("R", "A", "S")
    reference = nib.as_closest_canonical(nib.Nifti1Image(array, source))
    np.testing.assert_array_equal(canonical, reference.get_fdata(dtype=np.float32))
    np.testing.assert_allclose(canonical_affine, reference.affine, atol=1e-12)
    np.testing.assert_array_equal(geometry.from_canonical(canonical, source), array)
    shape, grid_affine = geometry.canonical_grid(array.shape[:3], source)
    assert shape == canonical.shape[:3]
    np.testing.assert_allclose(grid_affine, canonical_affine)


def blob(shape, affine) -> np.ndarray:
    """A smooth ball at a fixed place in the world, sampled on any grid."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    world = nib.affines.apply_affine(affine, index)
    distance = np.linalg.norm(world - [2.0, -3.0, 4.0], axis=-1)
    return (100 / (1 + np.exp((distance - 12) / 2))).astype(np.float32)


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (1.0, 1.0, 3.0), (0.9, 1.3, 2.0), (2, 2, 2)])
def test_resampling_keeps_things_where_they_are(spacing):
    shape = tuple(np.round(48 / np.array(spacing)).astype(int))
    affine = nib.affines.from_matvec(np.diag(spacing), [-22, -27, -20])
    source = blob(shape, affine)
    resampled, target = geometry.to_1mm(source, affine)
    np.testing.assert_allclose(geometry.spacing_mm(target), 1)
    expected = blob(resampled.shape, target)
    inner = (slice(3, -3),) * 3
    assert np.abs(resampled - expected)[inner].max() < 12
    assert np.abs(resampled - expected)[inner].mean() < 0.8
    # Outer faces of the volume, half a voxel beyond the first centre, stay where they are.
    faces = [nib.affines.apply_affine(a, [-0.5] * 3) for a in (affine, target)]
    np.testing.assert_allclose(*faces, atol=1e-9)


def test_labels_return_to_a_coarser_and_finer_grid_with_their_volume():
    affine = nib.affines.from_matvec(np.eye(3), [-24, -27, -20])
    labels = np.where(blob((48, 48, 48), affine) > 50, 2, 0).astype(np.uint8)
    labels[blob((48, 48, 48), affine) > 90] = 3
    for spacing in ((0.7, 0.7, 0.7), (1.0, 1.0, 2.5)):
        target = nib.affines.from_matvec(np.diag(spacing), [-24, -27, -20])
        shape = tuple((48 / np.array(spacing)).astype(int))
        back = geometry.labels_to_grid(labels, affine, shape, target)
        assert set(np.unique(back)) == {0, 2, 3}
        for value in (2, 3):
            volume = np.count_nonzero(back == value) * np.prod(spacing)
            assert volume == pytest.approx(np.count_nonzero(labels == value), rel=0.08)


def test_one_millimetre_has_a_tolerance():
    assert geometry.is_isotropic_1mm(np.diag([-1.0, -1.005, 0.995, 1.0]))
    assert not geometry.is_isotropic_1mm(np.diag([1.0, 1.0, 1.2, 1.0]))


def test_a_part_of_a_grid_keeps_its_place():
    affine = np.array([[0, -2.0, 0, 5], [1.0, 0, 0, 3], [0, 0, 3.0, -7], [0, 0, 0, 1]])
    part = geometry.shifted(affine, (2, 3, 4))
    np.testing.assert_allclose(part @ [1, 1, 1, 1], affine @ [3, 4, 5, 1])


@pytest.mark.parametrize("axes", [("R", "A", "S"), ("L", "P", "S"), ("S", "L", "A")], ids="".join)
def test_centre_of_mass_stays_where_it_is(axes):
    mask = np.zeros((9, 12, 15), np.uint8)
    mask[2:5, 4:10, 6:8] = 1
    mask[7, 11, 14] = 1
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    x, y, z = np.argwhere(mask).mean(axis=0) * (1, 2, 3)
    array, other = turned(mask, affine, axes)
    assert geometry.centre_mm(array.astype(bool), other) == pytest.approx((x, y, z))


@pytest.mark.parametrize("edge", [False, True])
def test_labels_are_computed_only_where_they_can_be(edge):
    """The part that is computed holds all that interpolating everywhere would."""
    rng = np.random.default_rng(2)
    labels = np.zeros((24, 20, 16), np.uint8)
    labels[0 if edge else 8 : 15, 6:12, 5:11] = rng.integers(0, 4, (15 if edge else 7, 6, 6))
    target = OBLIQUE.copy()
    target[:3, 3] = 2
    shape = (26, 22, 20)
    found = geometry.labels_to_grid(labels, np.eye(4), shape, target)
    best, expected = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    for value in range(4):
        share = geometry.to_grid((labels == value).astype(np.float32), np.eye(4), shape, target)
        expected[share > best] = value
        best = np.maximum(best, share)
    np.testing.assert_array_equal(found, expected)
    assert found.any()


def test_voxels_of_sheared_grids_have_their_volume():
    assert geometry.voxel_ml(np.diag([1.0, 2.0, 5.0, 1.0])) == pytest.approx(0.01)
    assert geometry.voxel_ml(OBLIQUE) == pytest.approx(1.08e-3)
