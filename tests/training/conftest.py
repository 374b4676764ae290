"""Small labelled cases, prepared as real ones are."""

from pathlib import Path

import pytest

from model.io.nifti import write_mask
from model.labels import to_file_values
from tests.phantoms import small_case, write_case
from training.prepare import main as prepare


@pytest.fixture(scope="session")
def labelled(tmp_path_factory) -> Path:
    """Five patients as BraTS folders, one of them with two visits, and one without a T2."""
    root = tmp_path_factory.mktemp("cases")
    names = ["BraTS2021_1", "BraTS2021_2", "BraTS-GLI-7-000", "BraTS-GLI-7-001", "BraTS2021_4"]
    for seed, name in enumerate([*names, "BraTS2021_5"]):
        case, labels = small_case(seed)
        paths = write_case(root / name, case, f"{name}_")
        convention = "brats2023" if "GLI" in name else "brats2021"
        values = to_file_values(labels, convention)
        write_mask(root / name / f"{name}_seg.nii.gz", values, case.affine)
        if name == "BraTS2021_5":
            paths["t2"].unlink()
    return root


@pytest.fixture(scope="session")
def prepared(labelled, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    arguments = [str(labelled), "--out", str(out), "--phantoms", "0"]
    assert prepare([*arguments, "--test", "0.25", "--validation", "0.25"]) == 0
    return out
