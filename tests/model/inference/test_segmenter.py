"""From scans to a mask on the grid of the scans, with the shipped model."""

import dataclasses

import nibabel as nib
import numpy as np
import pytest

from model.card import Views
from model.inference.segmenter import Segmenter
from model.io.case import Case, find_case_files, load_case
from model.postprocess import Postprocessing
from model.warnings import NOTHING_MARKED, ORIENTATION_UNKNOWN, missing_sequence
from tests.model.inference.engines import Threshold
from tests.phantoms import orientations, small_case, stretched, turned, without
from training.scoring.scores import quick_dice

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
    centre = demo_case[0].affine @ [*np.argwhere(brain).mean(axis=0), 1]
    assert result.brain_centre_mm == pytest.approx(tuple(centre[:3]), abs=0.1)
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
    again = segmenter.segment(dataclasses.replace(coarse, oriented=False))
    # The rim that interpolation left around the brain is not counted: it would be 11 % more.
    brain = np.count_nonzero(case.data.any(axis=-1)) / 2.5
    assert again.brain_voxels == pytest.approx(brain, rel=0.03)
    assert ORIENTATION_UNKNOWN in again.warnings
    assert again.labels.shape == coarse.shape
    assert "resampled" in {warning.code for warning in again.warnings}
    volume = np.count_nonzero(again.labels) * 2.5
    assert volume == pytest.approx(np.count_nonzero(result.labels), rel=0.25)


def test_an_empty_result_is_worded_with_care(segmenter, demo_case):
    case, _ = demo_case
    rng = np.random.default_rng(0)
    brain = (case.data > 0).any(axis=-1, keepdims=True)
    plain = np.where(brain, 100 + rng.normal(0, 1, case.data.shape), 0).astype(np.float32)
    found = segmenter.segment(Case(plain, case.affine))
    assert not found.labels.any()
    assert NOTHING_MARKED in found.warnings
    assert "marked no voxels" in NOTHING_MARKED.text


@pytest.mark.parametrize("modality", ["flair", "t2"])
def test_three_sequences_are_enough(segmenter, demo_case, modality):
    case, truth = demo_case
    found = segmenter.segment(without(case, modality))
    assert quick_dice(truth, found.labels)["WT"] >= 0.5
    assert found.warnings == (missing_sequence(modality, segmenter.card.scores),)


def test_a_warning_says_what_a_missing_sequence_costs():
    dice = {"WT": 0.874, "TC": 0.75, "ET": 0.698, "ED": 0.7, "NCR": 0.6}
    scores = {
        "patients": 14,
        "regions": {short: {"dice": value, "hd95_mm": 5.0} for short, value in dice.items()},
        "without": {"t2": {"WT": 0.85, "TC": 0.741, "ET": 0.701, "ED": 0.7, "NCR": 0.6}},
    }
    assert missing_sequence("t2", scores).text == (
        "No T2 was given. On 14 patients not trained on, Dice without it was 0.85 instead of 0.87 "
        "for the whole tumour, 0.74 instead of 0.75 for tumour core and 0.70 as with it for "
        "enhancing tumour."
    )
    for unmeasured in (scores, scores | {"without": {}}, {}):
        text = missing_sequence("t1ce", unmeasured).text
        assert text.startswith("No T1ce was given. ") and text.endswith("was not measured.")


@pytest.mark.slow
@pytest.mark.realdata
def test_real_scans_as_published(segmenter, real_data):
    for folder in sorted((real_data / "raw").iterdir()):
        files = find_case_files(folder)
        case = load_case(files)
        found = segmenter.segment(case)
        assert found.labels.shape == nib.load(files["t1"]).shape
        assert found.labels.any()


def test_all_networks_are_warmed_up_on_all_usual_shapes(segmenter):
    class Recording(Threshold):
        def __init__(self):
            self.ran = []

        def run(self, batches, receive, network=0):
            self.ran += [(network, batch.shape[1:3]) for batch in batches]

    engine = Recording()
    card = dataclasses.replace(segmenter.card, networks=2)
    Segmenter(card, engine).warm_up()
    assert engine.ran == [(network, shape) for network in (0, 1) for shape in engine.warm_shapes]


def test_an_engine_ends_what_it_began_when_a_receiver_fails(segmenter):
    engine = segmenter._engine
    batches = [np.zeros((engine.batch, 96, 128, segmenter.card.channels), np.float32)] * 8

    def fail(index: int, result: np.ndarray) -> None:
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        engine.run(batches, fail)
    seen = []
    engine.run(batches, lambda index, result: seen.append((index, float(result.sum()))))
    assert [index for index, _ in seen] == list(range(8))
    assert len({total for _, total in seen}) == 1


def test_fast_takes_the_first_plane_and_network_alone(segmenter):
    fast = Segmenter.load(engine="openvino", device="cpu", quality="fast")
    assert fast.card.inference.planes == ("axial",) and not fast.card.inference.flip
    assert fast.card.networks == 1 < segmenter.card.networks
    assert fast.card.checksum == segmenter.card.checksum
    assert (segmenter.provenance.networks, fast.provenance.networks) == (2, 1)
    assert fast.provenance.views == Views(("axial",), 3)
    assert "two networks" in segmenter.provenance.text and "networks" not in fast.provenance.text
    assert fast.provenance.text.endswith("; every third axial slice")


def test_provenance_names_the_networks_and_the_slices_that_are_seen(segmenter):
    inference = dataclasses.replace(
        segmenter.card.inference,
        planes=("axial", "coronal", "sagittal"),
        interval=2,
        refinement_threshold=0.0,
        flip=True,
    )
    one = dataclasses.replace(segmenter.card, inference=inference, networks=1)
    two = dataclasses.replace(one, networks=2)
    views = "every second axial, coronal, sagittal and mirrored slice"
    assert Segmenter(one, Threshold()).provenance.text == f"threshold; {views}"
    assert Segmenter(two, Threshold()).provenance.text == f"threshold; two networks; {views}"
    later = dataclasses.replace(
        inference, flip=False, refinement_threshold=0.3, refinement_interval=4
    )
    views = "every second axial slice, near tumour every fourth axial, coronal, sagittal slice"
    refining = Segmenter(dataclasses.replace(one, inference=later), Threshold())
    assert refining.provenance.text == f"threshold; {views}"


def test_edema_grows_where_no_sequence_is_missing(segmenter):
    """And nothing else changes."""

    class Faint(Threshold):
        def run(self, batches, receive, network=0):
            def told(index, probabilities):
                faint = probabilities[..., 2] == 0
                probabilities[faint] = [0.7, 0.05, 0.2, 0.05]
                receive(index, probabilities)

            super().run(batches, told)

    case, _ = small_case()
    inference = dataclasses.replace(segmenter.card.inference, interval=1, refinement_threshold=0.0)
    plain, growing = (
        dataclasses.replace(
            segmenter.card,
            inference=inference,
            postprocessing=Postprocessing(growth_temperature=temperature),
        )
        for temperature in (0.0, 3.0)
    )
    for given, grows in ((case, True), (without(case, "t1"), False)):
        found, grown = (Segmenter(card, Faint()).segment(given) for card in (plain, growing))
        before, added = found.labels > 0, (grown.labels > 0) & (found.labels == 0)
        np.testing.assert_array_equal(found.labels[before], grown.labels[before])
        np.testing.assert_array_equal(found.confidence[before], grown.confidence[before])
        assert before.any() and added.any() == grows
        assert set(np.unique(grown.labels[added])) <= {2}
        assert set(np.unique(grown.confidence[added])) <= {round(0.2 * 255)}
