"""Random changes of slices: what they move together, and what they leave."""

import numpy as np
import pytest

from training.data.augment import change_intensity, random_sampling, sample
from training.settings import Augmentation


def test_geometry_moves_scans_and_labels_together():
    rng = np.random.default_rng(1)
    labels = np.zeros((90, 100), np.uint8)
    labels[30:60, 40:80] = 2
    image = np.repeat(labels[..., None], 12, -1).astype(np.float32)
    for _ in range(10):
        where = random_sampling(rng, Augmentation(elastic=1.0), (45, 60), (64, 64), (0.5, 0.5))
        moved, target = sample(image, labels, where)
        agree = (moved[..., 5] > 1) == (target == 2)
        assert agree.mean() > 0.98 and target.any()


def test_a_share_of_samples_keeps_the_scans_own_voxels():
    rng = np.random.default_rng(3)
    image = rng.normal(size=(90, 100, 12)).astype(np.float32)
    labels = rng.integers(0, 4, (90, 100), np.uint8)
    cut = (slice(45 - 32, 45 + 32), slice(60 - 32, 60 + 32))
    sharp = 0
    for _ in range(60):
        where = random_sampling(rng, Augmentation(spatial_share=0.3), (45, 60), (64, 64), (0, 0))
        taken, target = sample(image, labels, where)
        if np.array_equal(taken, image[cut]):
            assert np.array_equal(target, labels[cut])
            sharp += 1
    assert 30 <= sharp <= 54
    mirrored = random_sampling(rng, Augmentation(spatial_share=0.0), (45, 60), (64, 64), (1, 0))
    assert np.array_equal(sample(image, labels, mirrored)[1], labels[77:13:-1, cut[1]])


def test_intensity_keeps_background_and_drops_whole_sequences():
    rng = np.random.default_rng(2)
    image = rng.normal(size=(32, 32, 12)).astype(np.float32)
    image[:8] = 0
    dropped = set()
    for _ in range(60):
        changed = change_intensity(rng, Augmentation(sequence_dropout=0.5), image, 4)
        assert not changed[:8].any()
        by_sequence = changed.reshape(32, 32, 3, 4)
        missing = [s for s in range(4) if not by_sequence[..., s].any()]
        assert len(missing) <= 1
        dropped |= set(missing)
    assert dropped == {0, 1, 2, 3}


def test_noise_is_as_strong_in_every_neighbouring_slice():
    only_noise = Augmentation(
        gain=(1, 1), shift=0, gamma_share=0, bias_field=0, blur=0, low_resolution=0,
        sequence_dropout=0, noise_share=1, noise=0.2,
    )  # fmt: skip
    image = np.ones((96, 96, 12), np.float32)
    changed = change_intensity(np.random.default_rng(4), only_noise, image, 4)
    noise = (changed - image).reshape(96, 96, 3, 4)
    deviations = noise.std(axis=(0, 1))
    assert (deviations > 0).all() and (deviations <= 0.21).all()
    # A sequence has one amplitude, and its slices have noise of their own.
    np.testing.assert_allclose(deviations, deviations[:1].repeat(3, 0), rtol=0.05)
    assert abs(np.corrcoef(noise[..., 0, 0].ravel(), noise[..., 1, 0].ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("slices", [1, 3, 5, 7])
def test_resolution_is_lost_alike_in_however_many_slices(slices):
    only_coarser = Augmentation(
        gain=(1, 1), shift=0, gamma_share=0, bias_field=0, blur=0, noise_share=0,
        sequence_dropout=0, low_resolution=1,
    )  # fmt: skip
    image = np.random.default_rng(0).uniform(0.1, 1, (48, 64, 4 * slices)).astype(np.float32)
    changed = change_intensity(np.random.default_rng(4), only_coarser, image, 4)
    assert np.abs(changed - image).mean() > 0.05
    for start in range(0, 4 * slices, 4):
        one = image[..., start : start + 4]
        alone = change_intensity(np.random.default_rng(4), only_coarser, one, 4)
        np.testing.assert_allclose(changed[..., start : start + 4], alone, atol=1e-6)
