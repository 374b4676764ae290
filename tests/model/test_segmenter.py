"""From scans to a mask on the grid of the scans, with the shipped model."""

import nibabel as nib
import numpy as np
import pytest

from model.case import Case, find_case_files, load_case
from model.segmenter import Segmenter
from tests.phantoms import orientations, stretched, turned
from training.scores import quick_dice

TURNS = [("R", "A", "S"), ("S", "L", "P"), ("P", "I", "R")]


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.load(engine="openvino", device="cpu")


@pytest.fixture(scope="module")
def result(segmenter, demo_case):
    return segmenter.segment(demo_case[0])


def test_the_demo_case_s_tumour_is_found(result, demo_case):
    case, truth = demo_case
    assert result.labels.shape == case.shape and result.labels.dtype == np.uint8
    assert quick_dice(truth, result.labels)["WT"] >= 0.8


def test_confidence_and_brain(result, demo_case):
    brain = (demo_case[0].data > 0).any(axis=-1)
    assert result.brain_voxels == np.count_nonzero(brain)
    assert (result.confidence[~brain] == 255).all()
    # The winner of four classes has at least a quarter.
    assert result.confidence.min() >= 63
    assert set(result.timings_s) == {"preprocess", "inference", "postprocess"}


def test_progress_only_grows_and_ends_at_1(segmenter, demo_case):
    seen = []
    segmenter.segment(demo_case[0], lambda stage, fraction: seen.append((stage, fraction)))
    fractions = [fraction for _, fraction in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert len([stage for stage, _ in seen if stage == "inference"]) >= 10


@pytest.mark.parametrize("axes", TURNS, ids="".join)
def test_orientation_changes_nothing_but_the_order_of_voxels(segmenter, demo_case, result, axes):
    assert axes in set(orientations())
    case, _ = demo_case
    data, affine = turned(case.data, case.affine, axes)
    again = segmenter.segment(Case(data, affine))
    expected, _ = turned(result.labels, case.affine, axes)
    np.testing.assert_array_equal(again.labels, expected)
    assert nib.aff2axcodes(again.affine) == axes


def test_coarse_scans_get_a_mask_of_their_own_shape(segmenter, demo_case, result):
    case, _ = demo_case
    coarse = stretched(case, (1.0, 1.0, 2.5))
    again = segmenter.segment(coarse)
    assert again.labels.shape == coarse.shape
    assert any("resampled" in warning for warning in again.warnings)
    volume = np.count_nonzero(again.labels) * 2.5
    assert volume == pytest.approx(np.count_nonzero(result.labels), rel=0.25)


def test_an_empty_result_is_worded_with_care(segmenter, demo_case):
    case, _ = demo_case
    rng = np.random.default_rng(0)
    brain = (case.data > 0).any(axis=-1, keepdims=True)
    plain = np.where(brain, 100 + rng.normal(0, 1, case.data.shape), 0).astype(np.float32)
    found = segmenter.segment(Case(plain, case.affine))
    assert not found.labels.any()
    assert any("marked no voxels" in warning for warning in found.warnings)


@pytest.mark.realdata
def test_real_scans_as_published(segmenter, real_data):
    for folder in sorted((real_data / "raw").iterdir()):
        files = find_case_files(folder)
        case = load_case(files)
        found = segmenter.segment(case)
        assert found.labels.shape == nib.load(files["t1"]).shape
        assert found.labels.any()
