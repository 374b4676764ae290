"""Sequences by their looks alone: phantoms of several kinds, and labelled cases."""

from itertools import combinations

import nibabel as nib
import numpy as np
import pytest

from model.io.modalities import MODALITIES
from model.io.nifti import Volume
from model.io.sequence_image import MAX_SCANS, assign, look
from model.phantom import make_case
from tests.phantoms import orientations, small_case, stretched, turned


def volumes_of(case):
    """Return the scans of a case under keys that say nothing, the last first."""
    scans = [Volume(case.data[..., c], case.affine, None) for c in range(len(MODALITIES))]
    return {f"scan {c}": scans[c] for c in reversed(range(len(MODALITIES)))}


def wanted(keys):
    return {key: MODALITIES[int(key[-1])] for key in keys}


def free(volumes):
    return dict.fromkeys(volumes, MODALITIES)


@pytest.mark.parametrize("seed", range(6))
def test_phantoms(seed):
    volumes = volumes_of(small_case(seed)[0])
    found, lead = assign(volumes, free(volumes))
    assert found == wanted(volumes) and lead > 0


def test_three_of_four_when_it_is_known_which():
    volumes = volumes_of(small_case(2)[0])
    for keys in combinations(volumes, 3):
        roles = [wanted(keys)[key] for key in keys]
        some = {key: volumes[key] for key in keys}
        assert assign(some, dict.fromkeys(keys, roles))[0] == wanted(keys)


def test_scans_on_grids_of_their_own():
    case, _ = make_case(3, shape=(96, 112, 88))
    coarse = stretched(case, (1.5, 1.5, 4.0))
    volumes = {}
    for key, axes in zip(volumes_of(coarse), list(orientations())[::11], strict=False):
        volume = volumes_of(case if key == "scan 0" else coarse)[key]
        volumes[key] = Volume(*turned(volume.data, volume.affine, axes), None)
    assert assign(volumes, free(volumes))[0] == wanted(volumes)


def test_what_is_known_stays():
    volumes = volumes_of(small_case(1)[0])
    roles = free(volumes) | {"scan 2": ("t1ce",), "scan 3": ("t2",)}
    assert assign(volumes, roles)[0] == wanted(volumes)


def test_of_scans_that_look_alike_the_first_is_taken():
    volumes = volumes_of(small_case(1)[0])
    noise = np.random.default_rng(0).normal(size=volumes["scan 3"].data.shape)
    again = Volume(volumes["scan 3"].data + noise.astype(np.float32), volumes["scan 3"].affine, None)  # fmt: skip
    found, _ = assign(volumes | {"again 3": again}, free(volumes) | {"again 3": MODALITIES})
    assert found == wanted(volumes)


def test_too_little_to_look_at():
    case, _ = small_case(1)
    volumes = volumes_of(case)
    apart = volumes["scan 0"].affine.copy()
    apart[0, 3] += 1000
    volumes["scan 0"] = Volume(volumes["scan 0"].data, apart, None)
    assert look(volumes) is None and assign(volumes, free(volumes)) == ({}, 0.0)
    empty = {key: Volume(np.zeros((20, 20, 20), np.float32), np.eye(4), None) for key in "ab"}
    assert assign(empty, free(empty)) == ({}, 0.0)
    one = {"scan 1": volumes["scan 1"]}
    assert assign(one, free(one)) == ({}, 0.0) and len(MODALITIES) <= MAX_SCANS


@pytest.mark.slow
@pytest.mark.realdata
def test_labelled_cases(real_data):
    """T1 with and without contrast agent may be taken for each other where little enhances; nothing else is."""
    folders = [path for path in (real_data / "packed").iterdir() if path.is_dir()]
    right = 0
    for folder in folders:
        paths = [folder / f"{folder.name}_{modality}.nii.gz" for modality in MODALITIES]
        images = [nib.load(path) for path in paths]
        volumes = {
            f"scan {c}": Volume(np.asarray(image.dataobj, np.float32), image.affine, None)
            for c, image in enumerate(images)
        }
        found, _ = assign(volumes, free(volumes))
        assert {k: v.replace("ce", "") for k, v in found.items()} == {
            k: v.replace("ce", "") for k, v in wanted(volumes).items()
        }
        right += found == wanted(volumes)
    assert right >= 0.9 * len(folders) and len(folders) >= 30
