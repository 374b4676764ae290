"""Changes that weaker scanners and preparation leave: what each does, and what it spares."""

import numpy as np
import pytest

from model.planes import PLANES
from training.data.weak_scans import moved, thickened, weakened, with_cut, with_rim
from training.settings import WeakScans

SIZE = (64, 80)


def head(slices: int = 3, sequences: int = 4) -> np.ndarray:
    """A patch (H, W, slices, sequences): noise in a disc of radius 25, 0 around it."""
    rng = np.random.default_rng(0)
    rows, columns = np.ogrid[: SIZE[0], : SIZE[1]]
    brain = (rows - 32) ** 2 + (columns - 40) ** 2 < 25**2
    values = rng.normal(size=(*SIZE, slices, sequences)) * brain[..., None, None]
    return values.astype(np.float32)


def roughness(image: np.ndarray, axis: int) -> float:
    return float(np.abs(np.diff(image, axis=axis)).mean())


def test_nothing_changes_where_every_share_is_0():
    image = head().reshape(*SIZE, 12)
    labels = np.ones(SIZE, np.uint8)
    for plane in PLANES:
        same, target = weakened(np.random.default_rng(1), WeakScans(), image, labels, plane, 4)
        assert np.array_equal(same, image) and target is labels


def test_a_sequence_moves_whole_and_alone():
    image = head()
    for index in range(4):
        # Low detail, which a shift by half a pixel can be told from.
        image[..., index] = image[..., :1, 0]
    parameters = WeakScans(misregistration=0.5, misregistration_px=3.0)
    rng = np.random.default_rng(3)
    still = set()
    for _ in range(20):
        changed, _ = weakened(
            rng, parameters, image.reshape(*SIZE, 12), image[..., 0, 0], "axial", 4
        )
        changed = changed.reshape(image.shape)
        still.add(sum(np.array_equal(changed[..., i], image[..., i]) for i in range(4)))
        # Slices of one sequence stay in step.
        assert np.allclose(changed[:, :, 0], changed[:, :, 2], atol=1e-5)
    assert len(still) > 2


def test_a_shift_is_by_less_than_was_allowed():
    image = np.zeros((*SIZE, 3), np.float32)
    image[30:34, 38:42] = 1
    rng = np.random.default_rng(4)
    for _ in range(20):
        shifted = moved(rng, WeakScans(misregistration_px=1.0), image)
        assert not shifted[:29].any() and not shifted[35:].any()
        assert not shifted[:, :37].any() and not shifted[:, 43:].any()
        assert shifted.sum() == pytest.approx(image.sum(), rel=0.02)


@pytest.mark.parametrize(("plane", "blurred", "kept"), [("coronal", 1, 0), ("sagittal", 0, 1)])
def test_thick_slices_lose_detail_from_bottom_to_top(plane, blurred, kept):
    image = head()[..., 0]
    thick = thickened(image, 5.0, plane)
    assert thick.shape == image.shape
    assert roughness(thick, blurred) < 0.3 * roughness(image, blurred)
    # Averages of five independent voxels are smaller; across slices they stay as independent.
    assert roughness(thick, kept) > 0.3 * roughness(image, kept)


def test_thick_slices_are_alike_from_above():
    image = head()[..., 0]
    thick = thickened(image, 4.0, "axial")
    assert roughness(thick, 2) == pytest.approx(roughness(image, 2) / 4, rel=1e-4)
    np.testing.assert_allclose(thick.mean(axis=2), image.mean(axis=2), atol=1e-6)


def test_a_rim_lies_around_a_part_of_the_brain_in_every_sequence_there_is():
    image = head()
    image[..., 2] = 0
    brain = (image != 0).any(axis=(2, 3))
    widest = 0
    for seed in range(10):
        changed = with_rim(np.random.default_rng(seed), WeakScans(rim_px=5), image)
        assert np.array_equal(changed[brain], image[brain])
        assert not changed[..., 2].any()
        rim = (changed != 0).any(axis=(2, 3)) & ~brain
        rows, columns = np.nonzero(rim)
        distance = np.hypot(rows - 32, columns - 40)
        widest = max(widest, distance.max(initial=0))
        # Open somewhere.
        assert rim.sum() < 0.9 * np.pi * (30.5**2 - 25**2)
    assert 27 < widest <= 31


def test_what_is_cut_off_is_background_in_scan_and_labels():
    image = head()
    labels = np.full(SIZE, 3, np.uint8)
    inner = np.hypot(*np.ogrid[-32:32, -40:40]) < 20
    cut_somewhere = False
    for seed in range(10):
        changed, target = with_cut(np.random.default_rng(seed), WeakScans(cut_px=4), image, labels)
        lost = (image != 0).any(axis=(2, 3)) & ~(changed != 0).any(axis=(2, 3))
        assert np.array_equal(target == 0, lost)
        assert not lost[inner].any()
        cut_somewhere |= bool(lost.any())
    assert cut_somewhere and labels.all()
