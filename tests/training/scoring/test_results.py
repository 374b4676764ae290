"""The tables of all experiments' results: written whole, read as they were."""

import csv
import os

import numpy as np
import pytest

from training.scoring import results
from training.scoring.results import Result, read_results, write_result
from training.scoring.scores import mean_scores, score_case


def scored(seed: int, lesion_wise: bool = True) -> dict:
    """Scores of random volumes, with those of lesions or without."""
    rng = np.random.default_rng(seed)
    truth, found = rng.integers(0, 4, (2, 6, 6, 6)).astype(np.uint8)
    lesions = {"dice": rng.random(), "hd95_mm": 374.0, "lesions": 2, "missed": 1, "false": seed}
    return (
        score_case(truth, found, np.ones(3))
        | {"seconds": {"read": 0.5, "segment": 1.25, "processor": 2.0}}
        | ({"lesion_wise": {"TC": lesions}} if lesion_wise else {})
    )


def result(*seeds: int, **options) -> Result:
    return Result("0a1b2c", 12.3, 45.6, {f"case{n}": scored(n, **options) for n in seeds})


def rows(path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("lesion_wise", [True, False])
def test_what_is_read_is_what_was_written(tmp_path, lesion_wise):
    written = result(1, 2, lesion_wise=lesion_wise)
    write_result("one", written, tmp_path)
    (read,) = read_results(tmp_path).values()
    assert (read.hash, read.minutes, read.slices_per_s) == ("0a1b2c", 12.3, 45.6)
    assert list(read.cases) == ["case1", "case2"]
    for name, case in read.cases.items():
        given = written.cases[name]
        assert case.get("lesion_wise", {}).keys() == given.get("lesion_wise", {}).keys()
        for short, scores in given.get("lesion_wise", {}).items():
            assert case["lesion_wise"][short] == pytest.approx(scores, rel=1e-5)
            assert type(case["lesion_wise"][short]["false"]) is int
        for short, scores in given["regions"].items():
            assert case["regions"][short] == pytest.approx(scores, rel=1e-5)
        assert case["seconds"] == {"read": 0.5, "segment": 1.25}
        for key in ("accuracy", "dice_loss"):
            assert case[key] == pytest.approx(given[key], rel=1e-5)
    means = [mean_scores(list(one.cases.values())) for one in (read, written)]
    assert means[0]["regions"]["WT"] == pytest.approx(means[1]["regions"]["WT"], rel=1e-5)


def test_other_experiments_stay_and_rows_are_in_order(tmp_path):
    for name in ("two", "one", "three"):
        write_result(name, result(2, 1), tmp_path)
    before = rows(tmp_path / results.SCORES)
    assert [row["experiment"] for row in rows(tmp_path / results.EXPERIMENTS)] == [
        "one", "three", "two",
    ]  # fmt: skip
    assert [row["case"] for row in before[:10]] == ["case1"] * 5 + ["case2"] * 5
    assert [row["region"] for row in before[:5]] == ["NCR", "ED", "ET", "TC", "WT"]
    write_result("one", result(3), tmp_path)
    after = rows(tmp_path / results.SCORES)
    assert [row for row in after if row["experiment"] != "one"] == [
        row for row in before if row["experiment"] != "one"
    ]
    assert {row["case"] for row in after if row["experiment"] == "one"} == {"case3"}
    # The same content, the same bytes.
    kept = (tmp_path / results.SCORES).read_bytes()
    write_result("two", read_results(tmp_path)["two"], tmp_path)
    assert (tmp_path / results.SCORES).read_bytes() == kept


def test_an_interrupted_write_leaves_the_old_tables(tmp_path, monkeypatch):
    write_result("one", result(1), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(source, target):
        raise OSError("no space left")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="no space"):
        patched.setattr(os, "replace", fail)
        write_result("two", result(2), tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert list(read_results(tmp_path)) == ["one"]


def test_numbers_have_six_digits(tmp_path):
    write_result("one", result(1), tmp_path)
    for row in rows(tmp_path / results.SCORES):
        for column in results.REGION_SCORES:
            assert row[column] == f"{float(row[column]):.6g}"


def test_without_tables_there_are_no_results(tmp_path):
    assert read_results(tmp_path / "none") == {}
