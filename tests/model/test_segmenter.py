"""From scans to a mask on the grid of the scans, with the shipped model."""

import dataclasses

import nibabel as nib
import numpy as np
import pytest

from model.card import Inference
from model.case import Case, find_case_files, load_case
from model.geometry import from_canonical
from model.notices import missing_warning
from model.postprocess import Postprocessing
from model.preprocess import prepare
from model.segmenter import Segmenter
from model.views import near, shares
from tests.phantoms import orientations, stretched, turned, without
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
    brain = np.count_nonzero(coarse.data.any(axis=-1))
    assert again.brain_voxels == pytest.approx(brain, rel=0.01)
    assert any("Left and right" in warning for warning in again.warnings)
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


@pytest.mark.parametrize("modality", ["flair", "t2"])
def test_three_sequences_are_enough(segmenter, demo_case, modality):
    case, truth = demo_case
    found = segmenter.segment(without(case, modality))
    assert quick_dice(truth, found.labels)["WT"] >= 0.5
    assert found.warnings == (missing_warning(modality, segmenter.card.scores),)


def test_a_warning_says_what_a_missing_sequence_costs():
    dice = {"WT": 0.874, "TC": 0.75, "ET": 0.698, "ED": 0.7, "NCR": 0.6}
    scores = {
        "patients": 14,
        "regions": {short: {"dice": value, "hd95_mm": 5.0} for short, value in dice.items()},
        "without": {"t2": {"WT": 0.85, "TC": 0.741, "ET": 0.69, "ED": 0.7, "NCR": 0.6}},
    }
    assert missing_warning("t2", scores) == (
        "No T2 was given. On 14 patients not trained on, Dice without it was 0.85 instead of 0.87 "
        "for the whole tumour, 0.74 instead of 0.75 for tumour core and 0.69 instead of 0.70 for "
        "enhancing tumour."
    )
    for unmeasured in (scores, scores | {"without": {}}, {}):
        text = missing_warning("t1ce", unmeasured)
        assert text.startswith("No T1ce was given. ") and text.endswith("was not measured.")


@pytest.mark.realdata
def test_real_scans_as_published(segmenter, real_data):
    for folder in sorted((real_data / "raw").iterdir()):
        files = find_case_files(folder)
        case = load_case(files)
        found = segmenter.segment(case)
        assert found.labels.shape == nib.load(files["t1"]).shape
        assert found.labels.any()


class Threshold:
    """An engine that calls a voxel edema where the middle slice's FLAIR is above 1."""

    batch = 2
    shapes = warm_shapes = Inference().shapes
    name = device = "threshold"

    def run(self, batches, receive, network=0):
        for index, batch in enumerate(batches):
            flair = batch[..., batch.shape[-1] // 2 - 2]
            probabilities = np.zeros((*flair.shape, 4), np.float32)
            probabilities[..., 2] = np.where(flair > 1, 0.92, 0.0)
            probabilities[..., 0] = 1 - probabilities[..., 2]
            receive(index, probabilities)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    "planes", [("coronal",), ("sagittal",), ("axial", "coronal", "sagittal")], ids="+".join
)
def test_every_view_puts_its_answer_where_it_belongs(segmenter, demo_case, planes, flip):
    case, _ = demo_case
    plain = dataclasses.replace(
        segmenter.card,
        inference=dataclasses.replace(
            segmenter.card.inference, planes=planes, interval=1, attention=0.0, flip=flip
        ),
        postprocessing=Postprocessing(),
    )
    result = Segmenter(plain, Threshold()).segment(case)
    prepared = prepare(case, plain.preprocessing)
    expected = np.zeros(prepared.shape, np.uint8)
    expected[prepared.box] = np.where(prepared.volume[..., 0] > 1, 2, 0)
    np.testing.assert_array_equal(result.labels, from_canonical(expected, case.affine))
    inside = result.labels == 2
    # 0.92 of 255, whatever the number of views that it was averaged over.
    assert set(np.unique(result.confidence[inside])) == {235}


class Disagreeing(Threshold):
    """An engine whose second network is surer of core where the first calls edema."""

    def run(self, batches, receive, network=0):
        def told(index, probabilities):
            if network:
                probabilities[probabilities[..., 2] > 0] = [0.02, 0.98, 0, 0]
            receive(index, probabilities)

        super().run(batches, told)


@pytest.mark.parametrize(("networks", "region", "confidence"), [(1, 2, 235), (2, 1, 125)])
def test_networks_are_averaged(segmenter, demo_case, networks, region, confidence):
    case, _ = demo_case
    inference = dataclasses.replace(segmenter.card.inference, interval=1, attention=0.0)
    card = dataclasses.replace(
        segmenter.card, networks=networks, inference=inference, postprocessing=Postprocessing()
    )
    result = Segmenter(card, Disagreeing()).segment(case)
    assert set(np.unique(result.labels)) == {0, region}
    assert set(np.unique(result.confidence[result.labels > 0])) == {confidence}


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


def test_slices_between_are_interpolated(segmenter, demo_case):
    case, _ = demo_case
    whole, thinned = (
        Segmenter(
            dataclasses.replace(
                segmenter.card,
                inference=dataclasses.replace(
                    segmenter.card.inference,
                    planes=("sagittal",),
                    interval=interval,
                    attention=0.0,
                ),
                postprocessing=Postprocessing(),
            ),
            Threshold(),
        ).segment(case)
        for interval in (1, 3)
    )
    prepared = prepare(case, segmenter.card.preprocessing)
    certain = from_canonical(_in_whole(prepared, _of_taken_slices(prepared)), case.affine)
    # What the network saw is as it was; between, edges differ and nothing else.
    np.testing.assert_array_equal(whole.labels[certain], thinned.labels[certain])
    np.testing.assert_array_equal(whole.confidence[certain], thinned.confidence[certain])
    both = np.count_nonzero((whole.labels > 0) & (thinned.labels > 0))
    dice = 2 * both / (np.count_nonzero(whole.labels) + np.count_nonzero(thinned.labels))
    assert 0.95 < dice < 1
    assert not thinned.labels[thinned.confidence == 255].any()


def _of_taken_slices(prepared) -> np.ndarray:
    """Return (X, Y, Z) bool: the slices in X that an interval of 3 takes, but for the last ones."""
    taken = np.zeros(prepared.volume.shape[:3], bool)
    taken[:-3:3] = True
    return taken & prepared.brain


def _in_whole(prepared, mask: np.ndarray) -> np.ndarray:
    whole = np.zeros(prepared.shape, bool)
    whole[prepared.box] = mask
    return whole


class Counting:
    """What an engine does, and how many pixels it was given."""

    def __init__(self, engine):
        self._engine, self.batch, self.shapes, self.pixels = engine, engine.batch, engine.shapes, 0
        self.name, self.device = engine.name, engine.device

    def run(self, batches, receive, network=0):
        def counted():
            for batch in batches:
                self.pixels += batch[..., 0].size
                yield batch

        self._engine.run(counted(), receive, network)


class Nothing(Threshold):
    """An engine that finds no tumour anywhere."""

    def run(self, batches, receive, network=0):
        for index, batch in enumerate(batches):
            receive(index, np.broadcast_to(np.float32([1, 0, 0, 0]), (*batch.shape[:3], 4)))


def _attentive(segmenter, engine, attention: float, **changes) -> tuple[Segmenter, Counting]:
    inference = dataclasses.replace(segmenter.card.inference, attention=attention, **changes)
    counting = Counting(engine)
    return Segmenter(dataclasses.replace(segmenter.card, inference=inference), counting), counting


@pytest.mark.parametrize("flip", [False, True])
def test_later_views_are_of_what_lies_near_a_tumour_only(segmenter, demo_case, flip):
    case, _ = demo_case
    # Every slice: which of every second one are seen depends on where the part looked at begins.
    changes = {"flip": flip, "interval": 1}
    attentive, few = _attentive(segmenter, segmenter._engine, 0.2, **changes)
    everywhere, all_ = _attentive(segmenter, segmenter._engine, 0.0, **changes)
    found, expected = attentive.segment(case).labels, everywhere.segment(case).labels
    assert few.pixels < 0.7 * all_.pixels
    tumour = np.count_nonzero(expected)
    assert tumour > 1000 and np.count_nonzero(found != expected) < 0.01 * tumour


def test_what_is_near_lies_within_two_cubes():
    found = np.zeros((19, 8, 40), bool)
    assert not near(found, 8).any()
    found[17, 3, 20] = True
    expected = np.zeros_like(found)
    expected[8:, :, 8:32] = True
    np.testing.assert_array_equal(near(found, 8), expected)


def test_without_suspicion_the_first_plane_is_enough(segmenter, demo_case):
    case, _ = demo_case
    attentive, few = _attentive(segmenter, Nothing(), 0.2)
    _, first = _attentive(segmenter, Nothing(), 0.0)
    axial = dataclasses.replace(segmenter.card.inference, planes=("axial",))
    Segmenter(dataclasses.replace(segmenter.card, inference=axial), first).segment(case)
    result = attentive.segment(case)
    assert few.pixels == first.pixels > 0
    assert not result.labels.any() and (result.confidence == 255).all()


@pytest.mark.parametrize("interval", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 7, 9])
def test_shares_of_slices_add_up(interval, count):
    weights = np.zeros(count)
    for index in range(0, count, interval):
        for other, share in shares(index, interval, count):
            weights[other] += share
    last = (count - 1) // interval * interval
    np.testing.assert_allclose(weights[: last + 1], 1)
    # Beyond the last slice taken there is only that one to go by.
    assert (weights[last + 1 :] > 0).all()


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
    assert "two networks" in segmenter.device and "networks" not in fast.device
    assert fast.device.endswith("; every second axial slice")


def test_the_device_names_the_networks_and_the_slices_that_are_seen(segmenter):
    inference = dataclasses.replace(
        segmenter.card.inference,
        planes=("axial", "coronal", "sagittal"),
        interval=2,
        flip=True,
    )
    one = dataclasses.replace(segmenter.card, inference=inference, networks=1)
    two = dataclasses.replace(one, networks=2)
    views = "every second axial, coronal, sagittal and mirrored slice"
    assert Segmenter(one, Threshold()).device == f"threshold; {views}"
    # The views stay at the end, where they are looked for.
    assert Segmenter(two, Threshold()).device == f"threshold; two networks; {views}"
