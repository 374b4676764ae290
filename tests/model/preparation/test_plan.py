import numpy as np
import pytest

from model.errors import CaseError
from model.geometry import to_canonical
from model.io.case import Case
from model.preparation.brain_extraction import BrainExtractor
from model.preparation.displacement import displaced
from model.preparation.plan import plan_for, reference_of, registering
from model.preprocess import Preprocessing, prepare
from tests.model.preparation.native_cases import moved_image, scans_of, with_volume
from tests.phantoms import turned, without


class NoExtractor(BrainExtractor):
    """Fails a test in which a network is asked."""

    def coarse(self, volumes):
        raise AssertionError("the network was asked")


@pytest.fixture(scope="module")
def scans(demo_case):
    return scans_of(demo_case[0])


def test_a_prepared_case_needs_nothing(scans, demo_case):
    plan = plan_for(scans, "auto", NoExtractor())
    assert plan.nothing
    np.testing.assert_array_equal(plan.case.data, demo_case[0].data)
    np.testing.assert_array_equal(plan.case.brain, demo_case[0].data.any(axis=-1))
    assert prepare(plan.case, Preprocessing()).stripped


def test_another_order_of_voxels_is_no_other_place(scans):
    volume = scans.volumes["t2"]
    data, affine = turned(volume.data, volume.affine, ("S", "R", "A"))
    plan = plan_for(with_volume(scans, "t2", data=data, affine=affine), "auto", NoExtractor())
    assert plan.nothing
    np.testing.assert_array_equal(plan.case.data[..., 3], volume.data)


def test_other_grids_are_registered(scans):
    affine = scans.volumes["t1"].affine.copy()
    affine[:3, 3] += 7
    plan = plan_for(with_volume(scans, "t1", affine=affine), "auto", NoExtractor())
    assert (plan.reference, plan.extract) == ("t1ce", False)
    assert set(plan.register) == {"flair", "t1", "t2"}


def test_never_refuses_other_grids(scans):
    affine = scans.volumes["t1"].affine.copy()
    affine[:3, 3] += 7
    with pytest.raises(CaseError) as error:
        plan_for(with_volume(scans, "t1", affine=affine), "never", NoExtractor())
    assert (error.value.code, error.value.file) == ("grid_mismatch", "t1.nii.gz")
    assert plan_for(scans, "never", NoExtractor()).nothing


def test_always_asks_for_everything(scans):
    plan = plan_for(scans, "always", NoExtractor())
    assert plan.extract and set(plan.register) == {"flair", "t1", "t2"}


def test_backgrounds_that_do_not_agree_are_displaced(scans):
    plan = plan_for(moved_image(scans, "t1ce", (0, 5, 0)), "auto", NoExtractor())
    assert set(plan.register) == {"flair", "t1", "t2"} and not plan.extract


def test_a_head_with_noise_around_it_has_its_brain_extracted(scans):
    rng = np.random.default_rng(0)
    heads = scans
    for modality, volume in scans.volumes.items():
        noise = rng.uniform(1, 20, volume.data.shape).astype(np.float32)
        heads = with_volume(heads, modality, data=volume.data + noise)
    assert plan_for(heads, "auto", NoExtractor()).extract


def test_the_reference_is_t1ce_or_the_finest(demo_case):
    case = demo_case[0]
    assert reference_of(scans_of(case)) == "t1ce"
    rest = scans_of(without(case, "t1ce"))
    coarse = {m: rest.volumes[m].affine @ np.diag([2, 2, 2, 1]) for m in ("flair", "t1")}
    for modality, affine in coarse.items():
        rest = with_volume(rest, modality, affine=affine)
    assert reference_of(rest) == "t2"


@pytest.mark.parametrize("modality", ["t1", "t1ce", "t2"])
def test_an_image_displaced_within_the_brain_mask_is_found(demo_case, modality):
    case = demo_case[0]
    present = case.present
    prepared = prepare(case, Preprocessing())
    assert displaced(prepared.volume, prepared.brain, present) == []
    moved = moved_image(scans_of(case), modality, (6, -6, 6)).volumes[modality].data
    data = case.data.copy()
    brain = case.data.any(axis=-1)
    data[..., ("flair", "t1", "t1ce", "t2").index(modality)] = np.where(brain, moved + 1, 0)
    found = prepare(Case(data, case.affine), Preprocessing())
    named = displaced(found.volume, found.brain, present)
    # T1 is what the others are compared with.
    assert named == ([modality] if modality != "t1" else ["flair", "t1ce", "t2"])


def test_a_displaced_case_is_registered_within_its_brain(scans):
    plan = registering(plan_for(scans, "auto", NoExtractor()), scans)
    assert set(plan.register) == {"flair", "t1", "t2"}
    assert plan.brains["t1ce"].any() and not plan.extract


def test_each_scan_gets_the_brain_in_its_own_order(scans):
    volume = scans.volumes["t2"]
    data, affine = turned(volume.data, volume.affine, ("S", "R", "A"))
    other = with_volume(scans, "t2", data=data, affine=affine)
    plan = registering(plan_for(other, "auto", NoExtractor()), other)
    np.testing.assert_array_equal(plan.brains["t2"], data > 0)


def test_tiny_brains_tell_nothing_of_displacement():
    assert displaced(np.zeros((20, 20, 20, 4)), np.ones((20, 20, 20), bool), (0, 1, 2, 3)) == []


def test_the_canonical_brain_is_that_of_the_scan(scans):
    plan = plan_for(scans, "auto", NoExtractor())
    prepared = prepare(plan.case, Preprocessing())
    canonical, _ = to_canonical(plan.case.brain, plan.case.affine)
    np.testing.assert_array_equal(prepared.brain, canonical[prepared.box])
