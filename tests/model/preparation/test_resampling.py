import nibabel as nib
import numpy as np
import pytest
import scipy

from model.preparation.resampling import halved, interpolated, refined, resampled, shrunk


def smooth(shape, seed=0):
    rng = np.random.default_rng(seed)
    return scipy.ndimage.gaussian_filter(rng.normal(size=shape), 3).astype(np.float32) * 100


def test_interpolated_is_the_linear_interpolation_of_scipy():
    volume = smooth((30, 24, 18))
    turn = scipy.spatial.transform.Rotation.from_euler("xyz", (5, -8, 11), degrees=True).as_matrix()
    inside = nib.affines.from_matvec(turn * 0.8, (3, 2, 1))
    shape = (20, 20, 16)
    found = interpolated(volume, inside, shape, outside=0.0)
    expected = scipy.ndimage.affine_transform(
        volume, turn * 0.8, (3, 2, 1), shape, order=1, mode="constant"
    )
    within = scipy.ndimage.affine_transform(
        np.ones_like(volume), turn * 0.8, (3, 2, 1), shape, order=1, mode="constant"
    )
    np.testing.assert_allclose(found[within == 1], expected[within == 1], atol=1e-3)


def test_a_mask_is_interpolated_as_well():
    ball = smooth((30, 24, 40)) > 0
    inside = nib.affines.from_matvec(np.diag([0.7, 0.9, 1.1]), (2, 1, -3))
    found = interpolated(ball, inside, (30, 20, 36), outside=0.0)
    same = interpolated(ball.astype(np.float32), inside, (30, 20, 36), outside=0.0)
    np.testing.assert_allclose(found, same, atol=1e-5)
    assert set(np.unique(found[:, :, :2])) == {0.0}


def test_a_scan_on_its_own_grid_stays_as_it_is():
    volume = smooth((30, 24, 18))
    affine = nib.affines.from_matvec(np.diag([-1.0, 1.0, 1.0]), (9, 8, 7))
    found = resampled(volume, affine, volume.shape, affine)
    np.testing.assert_allclose(found, volume, atol=1e-4)


def test_what_lies_outside_the_field_of_view_is_told():
    volume = smooth((20, 20, 20))
    target = nib.affines.from_matvec(np.eye(3), (5, 0, 0))
    covered = np.isfinite(resampled(volume, np.eye(4), volume.shape, target, outside=np.nan))
    assert covered[:15].all() and not covered[15:].any()
    assert (resampled(volume, np.eye(4), volume.shape, target)[15:] == volume.min()).all()


def test_fine_voxels_are_averaged_in_place():
    volume = smooth((41, 30, 20))
    affine = np.diag([0.5, 0.5, 1.0, 1.0])
    found, moved = shrunk(volume, affine, 1.0)
    assert found.shape == (21, 15, 20)
    np.testing.assert_allclose(found[3, 4, 5], volume[6:8, 8:10, 5].mean(), rtol=1e-5)
    np.testing.assert_allclose((moved @ [3, 4, 5, 1])[:3], [3.25, 4.25, 5])
    # The last block of an odd number holds what is there.
    np.testing.assert_allclose(found[20, 0, 0], volume[40:, :2, 0].mean(), rtol=1e-5)


def test_thick_slices_are_cut_into_parts_that_have_their_means():
    fine = np.sin(np.arange(48) / 8.0).astype(np.float32)
    thick = fine.reshape(12, 4).mean(axis=1)
    found, affine = refined(np.broadcast_to(thick, (6, 6, 12)), np.diag([1.0, 1.0, 4.0, 1.0]), 1.0)
    assert found.shape == (6, 6, 48)
    np.testing.assert_allclose(found[0, 0].reshape(12, 4).mean(axis=1), thick, atol=1e-5)
    np.testing.assert_allclose(found[0, 0, 4:44], fine[4:44], atol=0.005)
    # The first part lies a part's half behind the border of the first slice.
    np.testing.assert_allclose(affine @ [0, 0, 0, 1], [0, 0, -1.5, 1])


def test_halves_of_voxels_lie_on_a_spline():
    x = np.arange(30)
    volume = np.broadcast_to(np.sin(x / 2.5).astype(np.float32)[:, None, None], (30, 5, 6))
    found, affine = halved(volume, np.diag([0.9, 0.5, 0.6, 1.0]))
    assert found.shape == (60, 5, 6)
    places = (x[:, None] + [-0.25, 0.25]).ravel()
    np.testing.assert_allclose(found[4:-4, 0, 0], np.sin(places[4:-4] / 2.5), atol=2e-3)
    np.testing.assert_allclose(affine @ [0, 0, 0, 1], [-0.225, 0, 0, 1])


def test_what_is_not_seen_does_not_count():
    """A part of a scan is resampled as in the whole."""
    volume = smooth((60, 50, 40))
    affine = np.diag([0.9, 0.9, 3.0, 1.0])
    target = nib.affines.from_matvec(np.eye(3), (14, 12, 30))
    part = resampled(volume, affine, (16, 15, 30), target, sharp=True)
    data, source = refined(*halved(volume, affine), 1.0)
    whole = interpolated(data, np.linalg.inv(source) @ target, (16, 15, 30), outside=0.0)
    np.testing.assert_allclose(part, whole, atol=0.01 * volume.std())


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.5, 6.0), (1.2, 1.2, 3.0)])
def test_no_value_leaves_the_range_of_the_scan(spacing):
    volume = np.where(smooth((24, 24, 16)) > 0, 900.0, 10.0)
    affine = np.diag([*spacing, 1.0])
    found = resampled(volume, affine, (20, 20, 40), np.eye(4))
    assert found.min() >= 10 and found.max() <= 900
