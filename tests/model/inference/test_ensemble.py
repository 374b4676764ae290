"""What views of a scan add up to, with engines whose answers are known beforehand."""

import dataclasses

import numpy as np
import pytest

from model.geometry import from_canonical
from model.inference.ensemble import cubes_around, shares, slices_of
from model.inference.segmenter import Segmenter
from model.phantom import make_case
from model.postprocess import Postprocessing
from model.preprocess import prepare
from tests.model.inference.engines import Counting, Disagreeing, Nothing, Threshold


@pytest.fixture(scope="module")
def phantom():
    """A smaller phantom than the demo case: what is tested here depends on no size."""
    return make_case(1, shape=(112, 134, 100))


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter.load(engine="openvino", device="cpu")


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    "planes", [("coronal",), ("sagittal",), ("axial", "coronal", "sagittal")], ids="+".join
)
def test_every_view_puts_its_answer_where_it_belongs(segmenter, phantom, planes, flip):
    case, _ = phantom
    plain = dataclasses.replace(
        segmenter.card,
        inference=dataclasses.replace(
            segmenter.card.inference, planes=planes, interval=1, refinement_threshold=0.0, flip=flip
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


@pytest.mark.parametrize(("networks", "region", "confidence"), [(1, 2, 235), (2, 1, 125)])
def test_networks_are_averaged(segmenter, phantom, networks, region, confidence):
    case, _ = phantom
    inference = dataclasses.replace(segmenter.card.inference, interval=1, refinement_threshold=0.0)
    card = dataclasses.replace(
        segmenter.card, networks=networks, inference=inference, postprocessing=Postprocessing()
    )
    result = Segmenter(card, Disagreeing()).segment(case)
    assert set(np.unique(result.labels)) == {0, region}
    assert set(np.unique(result.confidence[result.labels > 0])) == {confidence}


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
                    refinement_threshold=0.0,
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


def _refining(segmenter, engine, threshold: float, **changes) -> tuple[Segmenter, Counting]:
    inference = dataclasses.replace(
        segmenter.card.inference, refinement_threshold=threshold, **changes
    )
    # One network shows as much as two, in half the time.
    card = dataclasses.replace(segmenter.card, inference=inference, networks=1)
    counting = Counting(engine)
    return Segmenter(card, counting), counting


@pytest.mark.slow
@pytest.mark.parametrize("flip", [False, True])
def test_later_views_are_of_what_lies_near_a_tumour_only(segmenter, demo_case, flip):
    case, _ = demo_case
    # Every slice: which of every second one are seen depends on where the part looked at begins.
    changes = {"flip": flip, "interval": 1, "planes": ("axial", "coronal")}
    changes |= {"refinement_interval": 0, "refinement_cube": 8}
    refining, few = _refining(segmenter, segmenter._engine, 0.2, **changes)
    everywhere, all_ = _refining(segmenter, segmenter._engine, 0.0, **changes)
    found, expected = refining.segment(case).labels, everywhere.segment(case).labels
    assert few.pixels < 0.7 * all_.pixels
    tumour = np.count_nonzero(expected)
    assert tumour > 1000 and np.count_nonzero(found != expected) < 0.02 * tumour


@pytest.mark.parametrize("flip", [False, True])
def test_networks_take_turns_near_a_tumour(segmenter, phantom, flip):
    """Each of two sees half as much as alone, between the slices of the other, and both count alike."""
    case, _ = phantom
    changes = {"interval": 3, "refinement_threshold": 0.35, "flip": flip}
    inference = dataclasses.replace(segmenter.card.inference, **changes)
    card = dataclasses.replace(segmenter.card, postprocessing=Postprocessing())
    found, pixels = [], []
    for interval in (2, 4):
        later = dataclasses.replace(inference, refinement_interval=interval)
        counting = Counting(Threshold())
        turns = dataclasses.replace(card, inference=later)
        found.append(Segmenter(turns, counting).segment(case).labels)
        pixels.append(counting.pixels)
    first = dataclasses.replace(inference, planes=("axial",), refinement_threshold=0.0)
    whole = Counting(Threshold())
    Segmenter(dataclasses.replace(card, inference=first, networks=1), whole).segment(case)
    assert pixels[1] - whole.pixels == pytest.approx((pixels[0] - whole.pixels) / 2, rel=0.1)
    both = np.count_nonzero((found[0] > 0) & (found[1] > 0))
    assert 2 * both / sum(np.count_nonzero(labels) for labels in found) > 0.96


def test_slices_begin_at_the_first_that_is_wanted():
    wanted = np.zeros((9, 8, 20), bool)
    wanted[2:5, 3, 4:11] = True
    assert list(slices_of(wanted, "axial", 3)) == [4, 7, 10]
    assert list(slices_of(wanted, "axial", 4, first=2)) == [6, 10]
    assert list(slices_of(wanted, "coronal", 4, first=2)) == [3]


def test_what_is_near_lies_within_two_cubes():
    found = np.zeros((19, 8, 40), bool)
    assert not cubes_around(found, 8).any()
    found[17, 3, 20] = True
    expected = np.zeros_like(found)
    expected[8:, :, 8:32] = True
    np.testing.assert_array_equal(cubes_around(found, 8), expected)


def test_without_suspicion_the_first_plane_is_enough(segmenter, phantom):
    case, _ = phantom
    refining, few = _refining(segmenter, Nothing(), 0.2)
    _, first = _refining(segmenter, Nothing(), 0.0)
    axial = dataclasses.replace(segmenter.card.inference, planes=("axial",))
    Segmenter(dataclasses.replace(segmenter.card, inference=axial), first).segment(case)
    result = refining.segment(case)
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
