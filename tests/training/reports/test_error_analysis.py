"""What limits accuracy: borders moved by hand, and the report over small labelled cases."""

import json
import shutil

import numpy as np
import pytest
from scipy import ndimage

from training.reports import error_analysis
from training.reports.experiments import SHOWN


def test_moved_borders_by_hand():
    truth = np.zeros((20, 20, 20), np.uint8)
    truth[5:15, 5:15, 5:15] = 2
    inwards = error_analysis.moved_border(truth, ndimage.binary_erosion)
    # Edema alone: 8 of 10 voxels are left along each axis, and regions that are absent do not count.
    assert inwards == pytest.approx({"ED": 2 * 512 / 1512, "WT": 2 * 512 / 1512})
    outwards = error_analysis.moved_border(truth, ndimage.binary_dilation)
    assert outwards["WT"] == pytest.approx(2 * 1000 / (1000 + 1600))


def test_lengths_are_read_from_the_results_that_are_there(tmp_path):
    part = {"epochs": 4, "steps_per_epoch": 200, "batch": 12}
    cases = {
        name: {"regions": {short: {"dice": value} for short in SHOWN}}
        for name, value in {"a": 0.5, "b": 0.7}.items()
    }
    settings = {"train": part, "then": [part | {"epochs": 14, "steps_per_epoch": 100}]}
    (tmp_path / "long.json").write_text(json.dumps({"settings": settings, "cases": cases}))
    table = error_analysis.experiments_table(("absent", "long"), tmp_path)
    assert "absent" not in table
    assert "| long | 800 of 12, then 1,400 of 12 | 2 | 0.600 | 0.600" in table


@pytest.mark.slow
def test_the_report_of_labelled_cases(labelled, tmp_path, capsys):
    report, cases = tmp_path / "LIMITS.md", shutil.copytree(labelled, tmp_path / "cases")
    # Its T2 is not there either.
    (cases / "BraTS2021_5" / "BraTS2021_5_t1.nii.gz").unlink()
    assert error_analysis.main([str(cases), "--report", str(report)]) == 0
    text = report.read_text()
    assert "test patients, never seen" in text and "over the 5\nlabelled patients" in text
    # None of these is a patient of the shipped network's own.
    assert "test patients, trained on" not in text and "all patients" in text
    assert "left out BraTS2021_5" in capsys.readouterr().err


def test_a_folder_without_cases_is_told(tmp_path, capsys):
    assert error_analysis.main([str(tmp_path), "--report", str(tmp_path / "LIMITS.md")]) == 1
    assert "No labelled case" in capsys.readouterr().err
    assert not (tmp_path / "LIMITS.md").exists()


def test_a_model_that_is_not_there_is_told(tmp_path, capsys):
    assert error_analysis.main([str(tmp_path), "--model-dir", str(tmp_path)]) == 1
    assert "There is no model in" in capsys.readouterr().err
