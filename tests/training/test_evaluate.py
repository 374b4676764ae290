"""Evaluation of a small model on the labelled cases."""

import json

import pytest

from model.card import read_card
from training import evaluate


@pytest.fixture
def evaluated(tiny, artefact, labelled, tmp_path):
    """Evaluates the model on some cases, with flags, and returns what was written."""

    def run(*more: str, only: tuple[str, ...] = ()) -> dict:
        path = tmp_path / "scores.json"
        options = ["--json", str(path), "--model-dir", str(artefact), "--engine", "openvino"]
        folders = [str(labelled / name) for name in only] or [str(labelled)]
        assert evaluate.main([*folders, *options, *more]) == 0
        return json.loads(path.read_text())

    return run


def test_every_case_is_scored(evaluated, artefact):
    assert read_card(artefact).training["settings"]["epochs"] == 2
    result = evaluated()
    assert len(result["cases"]) == 6 and not result["left_out"]
    missing = {name: case["missing"] for name, case in result["cases"].items() if case["missing"]}
    assert missing == {"BraTS2021_5": ["t2"]}
    for region in ("NCR", "ED", "ET", "TC", "WT"):
        assert set(result["mean"]["regions"][region]) == {
            "dice", "hd95_mm", "volume_error_ml", "precision", "recall",
        }  # fmt: skip
    assert 0 <= result["mean"]["accuracy"] <= 1
    for case in result["cases"].values():
        assert case["seconds"]["segment"] > 0 and case["seconds"]["processor"] > 0


def test_a_sequence_is_left_out_of_every_case(evaluated):
    result = evaluated("--without", "flair", only=("BraTS2021_4", "BraTS2021_5"))
    assert result["without"] == "flair" and list(result["left_out"]) == ["BraTS2021_5"]
    assert [case["missing"] for case in result["cases"].values()] == [["flair"]]


def test_another_model_is_scored_beside_it(evaluated, artefact, capsys):
    result = evaluated("--beside", str(artefact), only=("BraTS2021_4",))
    (other,) = result["beside"]
    assert other["model"]["checksum"] == result["model"]["checksum"]
    assert other["mean"] == result["mean"] and other["cases"].keys() == result["cases"].keys()
    told = capsys.readouterr().out
    assert told.count("mean (median)") == 4 and "other" in told


def test_cases_are_resampled(evaluated):
    result = evaluated("--voxels", "1", "1", "3", only=("BraTS2021_4", "BraTS2021_5"))
    assert result["voxels_mm"] == [1, 1, 3] and not result["left_out"]


def test_only_the_models_test_patients_are_scored(scores, artefact):
    names = read_card(artefact).training["split"]["test"]
    assert sorted(json.loads(scores.read_text())["cases"]) == sorted(names)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--json", "{}/none/scores.json"], "there is no folder"),
        (["--voxels", "1", "1", "0"], "more than 0 mm"),
    ],
)
def test_wrong_options_are_told(option, message, labelled, tmp_path, capsys):
    with pytest.raises(SystemExit):
        evaluate.main([str(labelled), *(value.format(tmp_path) for value in option)])
    assert message in capsys.readouterr().err
