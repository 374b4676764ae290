"""Preparation, patient split, and the same input for training and serving."""

import json
import re
import resource
from pathlib import Path

import numpy as np
import pytest

from model.inference.network_inputs import slice_batches
from model.io.case import find_case_files, load_case
from model.labels import REGIONS
from model.planes import PLANES, as_slices
from model.preprocess import Preprocessing, prepare
from tests.phantoms import small_case
from training.data.augment import Augmentation, change_intensity, random_sampling, sample
from training.data.dataset import Patches, PreparedCase, load_cases, load_preprocessing, load_split
from training.prepare import find_labelled_cases, group_same_patients, split_patients
from training.settings import Sampling, Settings


def test_cases_are_found_and_incomplete_ones_named(prepared):
    index = json.loads((prepared / "index.json").read_text())
    missing = {entry["case"]: entry["missing"] for entry in index["cases"]}
    assert len(missing) == 6 and missing.pop("BraTS2021_5") == ["t2"]
    assert not any(missing.values()) and not index["left_out"]
    split = load_split(prepared)
    assert split["partial"] == ["BraTS2021_5"]
    assert sorted(split["train"] + split["validation"] + split["test"]) == sorted(missing)


def test_labels_follow_their_scans(prepared):
    case = load_cases(prepared, ["BraTS2021_1"])[0]
    _, truth = small_case(0)
    for region in REGIONS:
        assert np.count_nonzero(case.labels == region.index) == np.count_nonzero(
            truth == region.index
        )


def test_visits_of_one_patient_stay_together():
    entries = [{"case": f"c{i}", "patient": f"p{i // 2}", "missing": []} for i in range(40)]
    split = split_patients(entries, 0.2, 0.2, seed=3)
    assert split.pop("partial") == []
    assert sorted(sum(split.values(), [])) == sorted(entry["case"] for entry in entries)
    parts = [{name[1:] and int(name[1:]) // 2 for name in names} for names in split.values()]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert [len(part) for part in parts] == [12, 4, 4]
    assert split != split_patients(entries, 0.2, 0.2, seed=4)
    # What lacks sequences changes nothing for the others, and is never of a patient held out.
    more = [
        {"case": f"m{i}", "patient": f"p{i}", "missing": ["t1", "t2"]} for i in (*range(20), 99)
    ]
    again = split_patients(entries + more, 0.2, 0.2, seed=3)
    kept = {name[1:] for name in again.pop("partial")}
    assert again == split
    assert kept == {str(int(name[1:]) // 2) for name in split["train"]} | {"99"}


def test_a_case_published_twice_is_one_patient():
    rng = np.random.default_rng(0)
    scan = rng.normal(size=500)
    prints = [scan, rng.normal(size=500), scan + rng.normal(0, 0.05, 500)]
    entries = [
        {"case": name, "patient": name, "fingerprint": values.tolist()}
        for name, values in zip("abc", prints, strict=True)
    ]
    group_same_patients(entries)
    assert [entry["patient"] for entry in entries] == ["a", "b", "a"]


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("mirror", [False, True])
def test_training_and_serving_see_the_same_bits(labelled, prepared, mirror, plane):
    name = "BraTS-GLI-7-001"
    assert load_preprocessing(prepared) == Preprocessing()
    parameters = Settings(mirror=mirror).preprocessing(load_preprocessing(prepared))
    served = prepare(load_case(find_case_files(labelled / name)), parameters)
    everywhere = np.ones(served.brain.shape, bool)
    slices, *shape = as_slices(everywhere, plane).shape
    batches = slice_batches(served.volume, everywhere, parameters, plane, [shape], 8)
    batches = np.concatenate([batch for batch, _ in batches])
    case = load_cases(prepared, [name])[0]
    for index in range(slices):
        trained = case.slice(index, parameters, plane)
        assert trained.dtype == batches.dtype
        np.testing.assert_array_equal(trained, batches[index])


def patches(prepared, workers: int = 0, **options) -> Patches:
    split = load_split(prepared)
    cases = load_cases(prepared, split["train"] + split["validation"] + split["test"])
    settings = Settings(**{"batch": 4, "steps_per_epoch": 3, "seed": 5} | options)
    return Patches(cases, settings, workers)


def test_batches_are_replayed_from_seed_and_step(prepared):
    images, labels = patches(prepared)[2]
    resumed = patches(prepared)
    resumed.first_step = 2
    np.testing.assert_array_equal(images, resumed[0][0])
    np.testing.assert_array_equal(labels, resumed[0][1])
    assert not np.array_equal(images, patches(prepared, seed=6)[2][0])


def test_processes_draw_the_same_batches_in_order(prepared):
    alone, shared = patches(prepared), patches(prepared, workers=2)
    # Also after a step is asked for out of turn, as where a run is resumed.
    for step in (0, 1, 2, 3, 7, 8):
        for drawn, expected in zip(shared[step], alone[step], strict=True):
            np.testing.assert_array_equal(drawn, expected)
    assert not list(shared.folder.iterdir()), "batches that were taken leave no files"


def test_patches_show_tumour_as_often_as_asked(prepared):
    batch = patches(prepared, batch=40, sampling=Sampling(tumour_share=1.0))[0]
    assert (batch[1] > 0).any(axis=(1, 2)).mean() > 0.9
    assert batch[0].shape == (40, 128, 128, 12) and batch[0].dtype == np.float32


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


def test_what_a_case_lacks_stays_empty_in_training(prepared):
    cases = load_cases(prepared, ["BraTS2021_5"])
    settings = Settings(batch=6, sampling=Sampling(synthetic_share=0.0, carve_share=1.0))
    images, labels = Patches(cases, settings)[0]
    by_sequence = images.reshape(*images.shape[:3], 3, 4)
    assert not by_sequence[..., 3].any() and by_sequence[..., :3].any() and labels.any()


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


def test_links_to_cases_are_followed_once(tmp_path):
    """A case has its folder's name where that is found, too; a loop ends."""
    real, elsewhere = tmp_path / "data" / "real", tmp_path / "elsewhere"
    for folder in (real, elsewhere):
        folder.mkdir(parents=True)
        (folder / f"{folder.name}_seg.nii.gz").touch()
    for name, target in (("alias", real), ("chosen", elsewhere), ("loop", real.parent)):
        (real.parent / name).symlink_to(target)
    found = find_labelled_cases([real.parent, real])
    assert [folder.name for folder in found] == ["chosen", "real"]


def test_patients_stay_on_disk(tmp_path):
    """6 GB of 300 patients are drawn from with 300 open files and 100 MB of memory."""
    count, shape = 300, (64, 200, 200)
    folder = tmp_path / "patient_0"
    folder.mkdir()
    # Files with holes: the size without the writing.
    np.lib.format.open_memmap(folder / "slices.npy", "w+", np.float16, (*shape, 4))
    np.lib.format.open_memmap(folder / "labels.npy", "w+", np.uint8, shape)
    for number in range(1, count):
        (tmp_path / f"patient_{number}").symlink_to(folder)
    cases = [PreparedCase(tmp_path / f"patient_{number}") for number in range(count)]
    assert sum(case.stack.nbytes for case in cases) > 6e9
    patches = Patches(cases, Settings(batch=10, sampling=Sampling(carve_share=1.0)))
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = own_memory()
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files + 300, limits[1]))
    try:
        for step in range(30):
            patches[step]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert own_memory() - before < 100e6


def own_memory() -> int:
    """Bytes that this process holds and could not read from disk again."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)[1]) * 1024
