"""Single slices: prepared as slices of whole cases are, as far as one slice allows."""

import numpy as np
import pytest

from model.preprocess import Preprocessing
from training.data.prepared import PreparedCase
from training.data.single_slices import find_slices, prepare_slices


@pytest.fixture
def folder(tmp_path):
    """Two slices of one patient, a tumour in the right front of the brain, and one of another."""
    rng = np.random.default_rng(0)
    for name, shift in (("P1_z050", 0), ("P1_z061", 4), ("P2_z007", 0)):
        image, label = np.zeros((90, 100, 4), np.uint8), np.zeros((90, 100), np.uint8)
        image[10 + shift : 80, 20:90] = rng.integers(1, 255, (70 - shift, 70, 4))
        # Towards the left and the back, the axes of BraTS, indices grow: right and front are small.
        label[20:30, 25:35] = 4
        np.savez(tmp_path / f"{name}.npz", image=image, label=label)
    return tmp_path


def test_files_are_found_by_patient(folder):
    found = find_slices(folder)
    assert {patient: len(paths) for patient, paths in found.items()} == {"P1": 2, "P2": 1}


def test_slices_are_prepared_as_canonical_z_scores(folder, tmp_path):
    paths = find_slices(folder)["P1"]
    entry = prepare_slices("P1", paths, tmp_path, Preprocessing())
    case = PreparedCase(tmp_path / entry["case"], isolated=True)
    assert case.stack.shape == (2, 70, 70, 4) and case.stack.dtype == np.float16
    assert entry["voxels"]["enhancing"] == 200 and entry["shape"] == [70, 70, 2]
    for index in range(2):
        values = case.stack[index].astype(np.float32)
        inside = values.any(axis=-1)
        assert inside.sum() == (70 - 4 * index) * 70
        np.testing.assert_allclose(values[inside].mean(axis=0), 0, atol=0.02)
        np.testing.assert_allclose(values[inside].std(axis=0), 1, atol=0.05)
        # Right and front have large indices in canonical volumes.
        rows, columns = np.nonzero(case.labels[index] == 3)
        assert rows.min() >= 49 and columns.min() >= 54
