"""Patches of prepared cases, and the same input for training and serving."""

import re
import resource
from pathlib import Path

import numpy as np
import pytest

from model.inference.network_inputs import slice_batches
from model.io.case import find_case_files, load_case
from model.planes import PLANES, as_slices
from model.preprocess import Preprocessing, prepare
from training.data.dataset import Patches, pools
from training.data.prepared import PreparedCase, load_cases, load_preprocessing, load_split
from training.settings import Augmentation, Sampling, Settings


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


@pytest.mark.slow
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


def test_what_a_case_lacks_stays_empty_in_training(prepared):
    cases = load_cases(prepared, ["BraTS2021_5"])
    settings = Settings(batch=6, sampling=Sampling(synthetic_share=0.0, carve_share=1.0))
    images, labels = Patches(cases, settings)[0]
    by_sequence = images.reshape(*images.shape[:3], 3, 4)
    assert not by_sequence[..., 3].any() and by_sequence[..., :3].any() and labels.any()


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


def test_without_neighbours_a_slice_is_in_their_place(prepared):
    """Left out at random in whole cases, always where slices are single."""
    for dropout, isolated in ((1.0, False), (0.0, True)):
        case = PreparedCase(prepared / "BraTS2021_1", isolated=isolated)
        sampling = Sampling(neighbour_dropout=dropout, planes=("axial", "coronal"), carve_share=1.0)
        settings = Settings(batch=6, sampling=sampling, augmentation=UNCHANGED)
        images, labels = Patches([case], settings)[0]
        by_slice = images.reshape(*images.shape[:3], 3, 4)
        assert images.any() and labels.any()
        for other in (0, 2):
            np.testing.assert_array_equal(by_slice[..., other, :], by_slice[..., 1, :])
    whole = PreparedCase(prepared / "BraTS2021_1")
    images, _ = Patches([whole], Settings(batch=6, augmentation=UNCHANGED))[0]
    by_slice = images.reshape(*images.shape[:3], 3, 4)
    assert not np.array_equal(by_slice[..., 0, :], by_slice[..., 1, :])


def test_single_slices_are_seen_from_above_and_never_carved(prepared, monkeypatch):
    single = PreparedCase(prepared / "BraTS2021_1", isolated=True)
    whole = PreparedCase(prepared / "BraTS2021_2")
    sampling = Sampling(planes=("coronal", "sagittal"), carve_share=1.0)
    drawn = Patches([single, whole], Settings(batch=8, sampling=sampling))
    assert drawn.hosts == [whole]
    monkeypatch.setattr(drawn, "_choose", lambda rng: single)
    monkeypatch.setattr(drawn, "_draw_carved", None)
    planes = []
    draw = drawn._draw
    monkeypatch.setattr(drawn, "_draw", lambda *given: planes.append(given[2]) or draw(*given))
    drawn.batch(0)
    assert planes == ["axial"] * 8


def test_sources_are_drawn_by_their_shares(tmp_path):
    sources = ["ssa"] * 2 + ["brats"] * 6
    cases = [PreparedCase(tmp_path / str(n), source=source) for n, source in enumerate(sources)]
    cases += [PreparedCase(tmp_path / "s", source="brats", isolated=True)]
    settings = Settings(sampling=Sampling(source_shares=(("ssa", 0.5), ("slices", 0.2))))
    drawn, rng = Patches(cases, settings), np.random.default_rng(0)
    names = [drawn._choose(rng).name for _ in range(2000)]
    share = {name: names.count(name) / 2000 for name in set(names)}
    for name in ("0", "1"):
        assert share[name] == pytest.approx(0.25, abs=0.04)
    for name in map(str, range(2, 8)):
        assert share[name] == pytest.approx(0.05, abs=0.02)
    assert share["s"] == pytest.approx(0.2, abs=0.04)


def test_a_source_without_cases_leaves_its_share_to_the_others(tmp_path):
    cases = [PreparedCase(tmp_path / "a", source="brats")]
    assert pools(cases, (("ssa", 0.7),)) == [(cases, 1.0)]


UNCHANGED = Augmentation(
    spatial_share=0, gain=(1, 1), shift=0, gamma_share=0, bias_field=0, blur=0,
    low_resolution=0, sequence_dropout=0, noise_share=0,
)  # fmt: skip
