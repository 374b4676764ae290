from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import scipy

from model.io.case import find_case_files, load_case
from model.io.modalities import MODALITIES
from model.phantom import make_case
from model.plausibility import EXPECTED, alike, compared, ct_like, exchanged
from model.preprocess import Preprocessing, prepare
from model.warnings import implausible_scans
from tests.phantoms import small_case, without


@pytest.fixture(scope="module")
def prepared(demo_case):
    return prepare(demo_case[0], Preprocessing())


def swapped(volume: np.ndarray, first: str, second: str) -> np.ndarray:
    """Return (X, Y, Z, 4) as if the files of two sequences had been exchanged."""
    order = list(MODALITIES)
    at = order.index(first), order.index(second)
    order[at[0]], order[at[1]] = second, first
    return volume[..., [MODALITIES.index(modality) for modality in order]]


def test_every_pair_is_expected_somehow():
    assert set(EXPECTED) == set(combinations(MODALITIES, 2))


@pytest.mark.parametrize("seed", range(4))
def test_right_order_is_not_warned_of(seed):
    case, _ = make_case(seed, shape=(110, 130, 100))
    assert implausible_scans(prepare(case, Preprocessing()), case) == []


@pytest.mark.parametrize("pair", [("flair", "t2"), ("t1", "t2"), ("t1ce", "t2")], ids="-".join)
def test_exchanged_sequences_are_named(prepared, pair):
    found = compared(swapped(prepared.volume, *pair), prepared.brain)
    assert exchanged(found) == pair
    assert alike(found) == []


def test_exchange_before_and_after_contrast():
    """T1ce is T1 with more of its bright voxels: here one in fifty takes up contrast."""
    rng = np.random.default_rng(0)
    brain = np.ones((60, 60, 60), bool)
    fine = rng.normal(0, 1, (*brain.shape, 4)).astype(np.float32)
    fine[..., 2] = fine[..., 1] + 0.3 * fine[..., 2]
    fine[..., 2] += 4 * (rng.random(brain.shape) < 0.02)
    assert exchanged(compared(fine, brain)) is None
    assert exchanged(compared(swapped(fine, "t1", "t1ce"), brain)) == ("t1", "t1ce")


def test_the_warning_names_both(prepared, demo_case):
    wrong = replace(prepared, volume=swapped(prepared.volume, "flair", "t2"))
    (warning,) = implausible_scans(wrong, demo_case[0])
    assert warning.code == "exchanged_sequences"
    assert warning.text.startswith("FLAIR and T2 look as if they had been exchanged.")


@pytest.mark.parametrize("one", MODALITIES)
def test_four_scans_of_one_sequence_are_told(prepared, demo_case, one):
    """Four times one sequence, each with noise of its own."""
    copies = noisy_copies(prepared, one, MODALITIES)
    wrong = replace(prepared, volume=copies)
    (warning,) = implausible_scans(wrong, demo_case[0])
    assert warning.code == "same_sequence"
    assert warning.text.startswith("FLAIR, T1, T1ce and T2 look like scans of one sequence.")


@pytest.mark.parametrize(("given", "instead"), [("t1", "t2"), ("t2", "flair")])
def test_a_sequence_that_was_given_twice_is_told(prepared, given, instead):
    found = alike(compared(noisy_copies(prepared, given, [instead]), prepared.brain))
    assert {given, instead} <= set(found)


def noisy_copies(prepared, given, instead):
    """Return (X, Y, Z, 4) with scans of one modality, each with noise of its own, in place of others."""
    volume = prepared.volume.astype(np.float32)
    rng = np.random.default_rng(0)
    for modality in instead:
        noise = 0.2 * rng.standard_normal(prepared.brain.shape, np.float32)
        copied = prepared.volume[..., MODALITIES.index(given)] + noise
        volume[..., MODALITIES.index(modality)] = copied * prepared.brain
    return volume


def test_only_what_the_rates_hold_for_is_looked_at(prepared, demo_case):
    wrong = replace(prepared, volume=swapped(prepared.volume, "flair", "t2"))
    assert implausible_scans(replace(wrong, stripped=False), demo_case[0]) == []
    assert implausible_scans(wrong, without(demo_case[0], "t1")) == []


def test_flat_and_tiny_volumes_tell_nothing():
    brain = np.ones((40, 40, 40), bool)
    flat = compared(np.zeros((40, 40, 40, 4), np.float16), brain)
    assert exchanged(flat) is None and alike(flat) == []
    assert compared(np.zeros((8, 8, 8, 4), np.float16), brain[:8, :8, :8]) is None


def test_a_ct_is_named():
    case, _ = small_case()
    assert not any(ct_like(case.sequence(channel)) for channel in case.present)
    data = case.data.copy()
    air = np.random.default_rng(0).normal(-1000, 10, case.shape)
    brain = np.random.default_rng(1).normal(35, 8, case.shape)
    data[..., 1] = np.where(data[..., 1] > 0, brain, air)
    ct = replace(case, data=data)
    assert [channel for channel in ct.present if ct_like(ct.sequence(channel))] == [1]
    prepared = prepare(ct, Preprocessing())
    assert any("T1 has values far below 0" in w.text for w in implausible_scans(prepared, ct))


def test_padding_far_below_0_is_no_air():
    case, _ = small_case()
    data = np.where(case.data.any(axis=-1, keepdims=True), case.data, -1024)
    assert not any(ct_like(data[..., channel]) for channel in case.present)


@pytest.mark.parametrize("kind", ["standardised", "spline", "noise", "inverted"])
def test_values_far_below_0_alone_are_no_ct(kind):
    case, _ = small_case()
    data, brain = case.data.astype(np.float32), case.data.any(axis=-1)
    rng = np.random.default_rng(0)
    if kind == "standardised":
        inside = data[brain]
        data = 1000 * (data - inside.mean(axis=0)) / inside.std(axis=0)
        data += rng.normal(0, 50, data.shape)
    elif kind == "spline":
        padded = np.where(brain[..., None], data, -1024)
        data = np.stack([scipy.ndimage.zoom(padded[..., c], 1.3) for c in range(4)], axis=-1)
    elif kind == "noise":
        data = np.where(brain[..., None], data, -1024) + rng.normal(0, 5, data.shape)
    else:
        data = -data - rng.normal(0, 20, data.shape)
    assert not any(ct_like(data[..., channel]) for channel in range(4))


@pytest.mark.realdata
@pytest.mark.slow
def test_rates_on_real_cases(real_data):
    """The rates that the module states, on every labelled case."""
    named = dict.fromkeys(EXPECTED, 0)
    folders = [*(real_data / "raw").iterdir(), *(real_data / "packed").iterdir()]
    for folder in folders:
        case = load_case(find_case_files(folder))
        prepared = prepare(case, Preprocessing())
        assert implausible_scans(prepared, case) == [], folder.name
        for pair in named:
            found = compared(swapped(prepared.volume, *pair), prepared.brain)
            named[pair] += exchanged(found) == pair and not alike(found)
    assert len(folders) == 35
    assert list(named.values()) == [32, 23, 35, 34, 35, 35]
