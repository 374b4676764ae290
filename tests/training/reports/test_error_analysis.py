"""What limits accuracy: borders moved by hand, and the report over small labelled cases."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from model.card import DEFAULT_DIR, read_card, write_card
from training.experiments import CONFIG, Experiment, read_experiments
from training.reports import error_analysis
from training.reports.experiments_page import SHOWN
from training.scoring.results import Result, read_results
from training.settings import Settings, read_toml


def test_moved_borders_by_hand():
    truth = np.zeros((20, 20, 20), np.uint8)
    truth[5:15, 5:15, 5:15] = 2
    inwards = error_analysis.moved_border(truth, ndimage.binary_erosion)
    # Edema alone: 8 of 10 voxels are left along each axis, and regions that are absent do not count.
    assert inwards == pytest.approx({"ED": 2 * 512 / 1512, "WT": 2 * 512 / 1512})
    outwards = error_analysis.moved_border(truth, ndimage.binary_dilation)
    assert outwards["WT"] == pytest.approx(2 * 1000 / (1000 + 1600))


def test_lengths_are_read_from_the_results_that_are_there():
    cases = {
        name: {"regions": {short: {"dice": value} for short in SHOWN}}
        for name, value in {"a": 0.5, "b": 0.7}.items()
    }
    stage = Settings(epochs=4, steps_per_epoch=200, batch=12)
    later = replace(stage, epochs=14, steps_per_epoch=100)
    experiments = {"long": Experiment(train=stage, then=(later,)), "absent": Experiment()}
    results = {"long": Result("hash", 1.0, 1.0, cases)}
    table = error_analysis.experiments_table(("absent", "long"), experiments, results)
    assert "absent" not in table
    assert "| long | 800 of 12, then 1,400 of 12 | 2 | 0.600 | 0.600" in table


@pytest.fixture
def model(artefact, tmp_path) -> Path:
    """A small model that says it is the shipped one: of its scores, and of its patients."""
    shipped, folder = read_card(DEFAULT_DIR), shutil.copytree(artefact, tmp_path / "model")
    training = {name: value for name, value in shipped.training.items() if name != "others"}
    write_card(folder, replace(read_card(artefact), training=training, scores=shipped.scores))
    return folder


@pytest.mark.slow
def test_the_report_of_labelled_cases(tiny, model, labelled, tmp_path, capsys):
    report, cases = tmp_path / "report.md", tmp_path / "cases"
    for name in ("BraTS2021_2", "BraTS2021_4", "BraTS2021_5"):
        shutil.copytree(labelled / name, cases / name)
    # Its T2 is not there either.
    (cases / "BraTS2021_5" / "BraTS2021_5_t1.nii.gz").unlink()
    arguments = [str(cases), "--model-dir", str(model), "--report", str(report)]
    assert error_analysis.main(arguments) == 0
    text = report.read_text()
    assert "test patients, never seen" in text and "the 2 labelled patients" in text
    # None of these is a patient of the shipped network's own.
    assert "test patients, trained on" not in text and "all patients" in text
    assert "left out BraTS2021_5" in capsys.readouterr().err


def test_a_folder_without_cases_is_told(tmp_path, capsys):
    assert error_analysis.main([str(tmp_path), "--report", str(tmp_path / "report.md")]) == 1
    assert "No labelled case" in capsys.readouterr().err
    assert not (tmp_path / "report.md").exists()


def test_a_model_that_is_not_there_is_told(tmp_path, capsys):
    assert error_analysis.main([str(tmp_path), "--model-dir", str(tmp_path)]) == 1
    assert "There is no model in" in capsys.readouterr().err


def test_the_kept_page_has_the_results_of_the_experiments():
    experiments, text = (
        read_experiments(read_toml(CONFIG), CONFIG.parent),
        error_analysis.PAGE.read_text(),
    )
    for names in (error_analysis.LENGTHS, error_analysis.PATIENTS):
        assert error_analysis.experiments_table(names, experiments, read_results()) in text
    # The sentences around the tables are those of the template.
    sentences = re.split(r"\{\w+\}", error_analysis.TEXT)
    assert all(sentence in text for sentence in sentences)
