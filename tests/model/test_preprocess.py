"""Brain, box, z-scores and 2.5-D slices."""

import dataclasses

import numpy as np
import pytest
import scipy.ndimage

from model import preprocess
from model.errors import CaseError
from model.io.case import Case
from model.io.modalities import MODALITIES
from model.preprocess import Preprocessing
from tests.phantoms import SMALL, orientations, small_case, stretched, turned, without

PLAIN = Preprocessing()


@pytest.fixture(scope="module")
def case():
    return small_case()[0]


def test_what_the_network_sees(case):
    prepared = preprocess.prepare(case, PLAIN)
    assert prepared.stripped and prepared.volume.dtype == np.float16
    assert prepared.volume.shape == (*prepared.brain.shape, 4)
    assert np.count_nonzero(prepared.volume[~prepared.brain]) == 0
    for channel in range(4):
        scores = prepared.volume[..., channel][prepared.brain].astype(np.float32)
        assert abs(np.median(scores)) < 0.6 and 0.7 < scores.std() < 1.3
        assert np.abs(scores).max() <= PLAIN.clip_z
    # The box is tight: every face touches the brain.
    for axis in range(3):
        for side in (0, -1):
            assert prepared.brain.take(side, axis).any()


@pytest.mark.parametrize("axes", list(orientations())[::7], ids="".join)
def test_orientation_does_not_matter(case, axes):
    data, affine = turned(case.data, case.affine, axes)
    again = preprocess.prepare(Case(data, affine), PLAIN)
    np.testing.assert_array_equal(again.volume, preprocess.prepare(case, PLAIN).volume)


def test_scanner_units_do_not_matter_and_outliers_hardly(case):
    reference = preprocess.prepare(case, PLAIN).volume.astype(np.float32)
    scaled = preprocess.prepare(Case(case.data * 7.5, case.affine), PLAIN).volume
    np.testing.assert_allclose(scaled, reference, atol=0.01)
    vessels = case.data.copy()
    inside = np.argwhere(case.data[..., 0] > 0)[:: 10**3]
    vessels[tuple(inside.T)] = 10**5
    change = np.abs(preprocess.prepare(Case(vessels, case.affine), PLAIN).volume - reference)
    assert np.median(change) < 0.02


def test_coarse_scans_are_resampled_to_1_mm(case):
    prepared = preprocess.prepare(stretched(case, (1.0, 1.0, 3.0)), PLAIN)
    assert np.abs(np.subtract(prepared.shape, SMALL)).max() <= 2


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (0.94, 0.94, 5.0)])
def test_resampling_adds_no_rim_to_the_brain(spacing):
    """A ball of one intensity keeps its volume, and hardly a voxel of it is background."""
    shape = np.round(100 / np.array(spacing)).astype(int)
    grid = [(np.arange(n) + 0.5) * mm - 50 for n, mm in zip(shape, spacing, strict=True)]
    x, y, z = np.meshgrid(*grid, indexing="ij", sparse=True)
    ball = (x**2 + y**2 + z**2 < 40**2).astype(np.float32) * 100
    affine = np.diag([*spacing, 1.0])
    prepared = preprocess.prepare(Case(np.stack([ball] * 4, axis=-1), affine), PLAIN)
    expected = np.count_nonzero(ball) * np.prod(spacing)
    assert np.count_nonzero(prepared.brain) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("change", ["z-scores", "one voxel below", "negative at the border"])
def test_background_need_not_be_the_lowest_value(case, change):
    brain = case.data.any(axis=-1)
    data = case.data.copy()
    if change == "z-scores":
        inside = data[brain]
        data[brain] = (inside - inside.mean(axis=0)) / inside.std(axis=0)
    elif change == "one voxel below":
        data[40, 40, 40] = -1
    else:
        data[brain & ~scipy.ndimage.binary_erosion(brain)] = -300
    mask, stripped = preprocess.brain_mask(data)
    assert stripped
    assert np.count_nonzero(mask != brain) < 10


@pytest.mark.parametrize("background", [0, -1024])
def test_the_halo_of_a_cubic_spline_is_no_brain(case, background):
    shift = (0.4, 0.3, 0.2)
    brain = scipy.ndimage.shift(case.data.any(axis=-1).astype(np.float32), shift, order=1) >= 0.5
    rippled = np.moveaxis(case.data, -1, 0)
    rippled = [np.rint(scipy.ndimage.shift(sequence, shift, order=3)) for sequence in rippled]
    data = np.stack(rippled, axis=-1) + np.float32(background)
    mask, stripped = preprocess.brain_mask(data)
    assert stripped
    assert np.count_nonzero(data.min(axis=-1) != background) > 1.1 * np.count_nonzero(brain)
    assert np.count_nonzero(mask) == pytest.approx(np.count_nonzero(brain), rel=0.05)


def test_a_head_with_skull_is_told_apart(case):
    rng = np.random.default_rng(0)
    data = case.data + rng.uniform(1, 20, case.data.shape).astype(np.float32)
    mask, stripped = preprocess.brain_mask(data)
    assert not stripped
    truth = case.data.any(axis=-1)
    assert np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth) > 0.9


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_missing_sequence_is_zero_and_changes_no_other(case, modality):
    """As in training, where `sequence_dropout` sets all of one sequence's z-scores to 0."""
    prepared = preprocess.prepare(without(case, modality), PLAIN)
    expected = preprocess.prepare(case, PLAIN).volume.copy()
    expected[..., MODALITIES.index(modality)] = 0
    assert prepared.stripped
    np.testing.assert_array_equal(prepared.volume, expected)


@pytest.mark.parametrize("step", ["denoise", "bias_correction"])
def test_a_missing_sequence_stays_zero_through_every_step(case, step):
    parameters = dataclasses.replace(PLAIN, **{step: True})
    coarse = dataclasses.replace(stretched(case, (1.0, 1.0, 2.0)), missing=("t1",))
    coarse.data[..., 1] = 0
    volume = preprocess.prepare(coarse, parameters).volume
    assert not volume[..., 1].any()
    assert np.isfinite(volume).all() and volume[..., 2].any()


@pytest.mark.parametrize("background", [0, 20])
def test_a_missing_sequence_does_not_count_in_the_brain_mask(case, background):
    noise = np.random.default_rng(0).uniform(0, background, case.data.shape).astype(np.float32)
    data = case.data + noise
    data[..., 3] = 0
    mask, stripped = preprocess.brain_mask(data)
    expected, expected_stripped = preprocess.brain_mask(data[..., :3])
    assert stripped == expected_stripped == (background == 0)
    np.testing.assert_array_equal(mask, expected)


def test_no_brain_is_an_error(case):
    data = np.zeros_like(case.data)
    data[30:40, 30:40, 30:40] = 5
    with pytest.raises(CaseError) as caught:
        preprocess.prepare(Case(data, case.affine), PLAIN)
    assert caught.value.code == "no_brain"


def test_noise_removal_smooths_and_keeps_edges(case):
    brain = case.data[..., 0] > 0
    smooth = preprocess.denoised(case.data[..., 2].copy())
    core = (slice(30, 50),) * 3
    assert smooth[core].std() <= case.data[..., 2][core].std()
    assert np.corrcoef(smooth[brain], case.data[..., 2][brain])[0, 1] > 0.98


def test_bias_correction_flattens_a_ramp():
    shape = (64, 64, 48)
    ramp = np.linspace(0.6, 1.4, shape[0], dtype=np.float32)[:, None, None]
    noise = np.random.default_rng(0).normal(1, 0.02, shape).astype(np.float32)
    flat = preprocess.bias_corrected(500 * ramp * noise, np.ones(shape, bool))
    means = flat[4:-4].mean(axis=(1, 2))
    assert means.max() / means.min() < 1.15


@pytest.mark.parametrize("step", ["denoise", "bias_correction"])
def test_the_card_switches_steps_on(case, step):
    changed = preprocess.prepare(case, dataclasses.replace(PLAIN, **{step: True}))
    assert not np.array_equal(changed.volume, preprocess.prepare(case, PLAIN).volume)


@pytest.mark.parametrize(
    ("noisy", "still_stripped"), [([1], True), ([0, 3], True), ([0, 1, 2, 3], False)]
)
def test_noise_around_the_brain_is_no_brain(case, noisy, still_stripped):
    """As in scans stripped before they were resampled, or stored in 8 bits."""
    brain, data = case.data.any(axis=-1), case.data.copy()
    for channel in noisy:
        background = np.random.default_rng(channel).integers(0, 3, brain.shape)
        data[..., channel] += np.where(brain, 0, background)
    voxel_ml = 1500 / np.count_nonzero(brain)
    mask, stripped = preprocess.brain_mask(data, voxel_ml)
    assert stripped == still_stripped
    overlap = 2 * np.count_nonzero(mask & brain)
    assert overlap / (np.count_nonzero(mask) + np.count_nonzero(brain)) > 0.97


def test_a_head_as_large_as_none_is_an_error(case):
    with pytest.raises(CaseError, match="8 litres") as caught:
        preprocess.prepare(Case(case.data, case.affine @ np.diag([5, 5, 5, 1])), PLAIN)
    assert caught.value.code == "no_brain"
