"""The page of experiments: differences, and that it is up to date."""

import numpy as np

from training.experiments import CONFIG, read_experiments
from training.reports.experiments_page import PAGE, SHOWN, compared, page_text
from training.scoring.results import Result, read_results
from training.settings import read_toml


def result(dice: dict[str, float]) -> Result:
    cases = {
        name: {"regions": {short: {"dice": value} for short in SHOWN}}
        for name, value in dice.items()
    }
    return Result("hash", 1.0, 1.0, cases)


def test_differences_are_over_the_same_patients():
    one, other = result({"a": 0.9, "b": 0.7, "c": 0.1}), result({"a": 0.8, "b": 0.8})
    change, error = compared(one, other)
    np.testing.assert_allclose(change, 0, atol=1e-12)
    # Differences +0.1 and -0.1: deviation 0.1414, over the root of 2.
    np.testing.assert_allclose(error, 0.1)


def test_one_patient_alone_has_no_error():
    change, error = compared(result({"a": 0.9}), result({"a": 0.8}))
    np.testing.assert_allclose(change, 0.1)
    assert np.isnan(error).all()


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == page_text(read_toml(CONFIG), read_results())


def test_every_result_is_one_of_the_experiments_settings():
    experiments = read_experiments(read_toml(CONFIG), CONFIG.parent)
    hashes = {name: result.hash for name, result in read_results().items()}
    assert hashes == {name: experiments[name].hash for name in hashes}


def test_results_without_a_common_patient_are_not_compared():
    found = {"base": result({"a": 0.9}), "new": result({"b": 0.8})}
    config = {"about": "", "experiment": {"base": {"question": "?"}, "new": {"question": "?"}}}
    for one in found.values():
        for case in one.cases.values():
            case["seconds"] = {"read": 0.0, "segment": 1.0}
    text = page_text(config, found)
    assert "| new |  | 0.800 |" in text
