"""The parts of a training, and that nobody is scored whom the network had seen."""

from pathlib import Path

import pytest

from model.card import DEFAULT_DIR, read_card
from training.provenance import changed, held_out_text, parts_table, settings_texts, trainings


def training(patients: dict[str, str]) -> dict:
    """What a card says of a network trained in parts, each on a patient; weights to patient."""
    settings = {"epochs": 2, "steps_per_epoch": 3, "batch": 4, "learning_rate": 0.1}
    settings["sampling"] = {"patch": [8, 9], "jitter_px": 1}
    start, result = {}, {}
    for weights, patient in patients.items():
        split = {"train": [patient, "phantom_1"], "test": []}
        result = {"split": split, "settings": settings, "start": start}
        start = {"weights": weights, "training": result}
        settings = settings | {"learning_rate": settings["learning_rate"] / 2}
    return result


PATIENTS = {"a": "one", "b": "two", "c": "three"}
TWIN = {"a": "one", "b": "two", "t": "four"}


@pytest.fixture
def parts() -> list[dict]:
    """Of weights `c`, which were trained on from `b`, and those from `a`."""
    return trainings("c", training(PATIENTS))


def evaluation(patients: dict[str, str], *cases: str) -> dict:
    """Of the network that training on `patients` ended with."""
    *_, checksum = patients
    model = {"checksum": checksum, "training": training(patients)}
    return {"model": model, "cases": dict.fromkeys(cases)}


def first(count: int) -> dict[str, str]:
    return dict(list(PATIENTS.items())[:count])


def test_parts_are_listed_from_the_first_on(parts):
    assert [part["weights"] for part in parts] == ["a", "b", "c"]
    header, rows = parts_table(parts)
    assert rows[0] == ("1", "1", "1", "6 steps of 4", "8 x 9", "0.1", "a")
    assert len(header) == len(rows[0])
    first, second, third = settings_texts(parts)
    assert "sampling (patch [8, 9], jitter_px 1)" in first
    assert (second, third) == ("Part 2: learning_rate 0.05.", "Part 3: learning_rate 0.025.")


def test_nested_settings_tell_only_what_changed():
    before = {"a": 1, "b": {"c": 2, "d": 3}, "e": {"f": 4}}
    assert changed({"a": 1, "b": {"c": 2, "d": 5}, "e": {"f": 4}}, before) == {"b": {"d": 5}}


def test_the_text_says_which_network_had_not_seen_the_patients(parts):
    text = held_out_text(parts, evaluation(first(2), "three", "four"))
    assert "after part 2" in text and "their 2" in text and "trained on them, too" in text
    assert "it is the shipped one" in held_out_text(parts, evaluation(PATIENTS, "four"))
    text = held_out_text(parts, evaluation(TWIN, "three"))
    assert "a twin (weights t)" in text and "their 1 patients" in text


def test_nobody_is_scored_whom_the_network_had_seen(parts):
    for seen, patient in (
        (first(2), "one"),
        (first(2), "two"),
        (PATIENTS, "three"),
        (TWIN, "four"),
    ):
        with pytest.raises(ValueError, match=f"trained on {patient}"):
            held_out_text(parts, evaluation(seen, patient, "five"))
    other = {"x": "one", "y": "two"}
    with pytest.raises(ValueError, match="another model"):
        held_out_text(parts, evaluation(other, "four"))


def averaged(patients: dict[str, str], other: dict[str, str]) -> dict:
    """What a card says of the mean of two networks, the second trained on `other` as well."""
    first, second = training(patients), training(other)
    return first | {"others": [{"settings": second["settings"], "start": second["start"]}]}


def test_patients_seen_by_any_of_several_networks_were_seen():
    shipped = trainings("c", averaged(PATIENTS, {"a": "one", "b": "two", "d": "three"}))
    model = {"checksum": "t", "training": averaged(TWIN, {"a": "one", "x": "six", "u": "four"})}
    with pytest.raises(ValueError, match="trained on six"):
        held_out_text(shipped, {"model": model, "cases": {"six": None}})
    assert "a twin" in held_out_text(shipped, {"model": model, "cases": {"three": None}})
    # One network is no twin of the mean of two.
    with pytest.raises(ValueError, match="another model"):
        held_out_text(shipped, evaluation(TWIN, "three"))


def test_the_model_card_scores_the_twin_that_is_kept():
    root = Path(__file__).parents[2]
    shipped, twin = read_card(DEFAULT_DIR), read_card(root / "training/held_out")
    model = {"checksum": twin.checksum, "training": twin.training}
    tested = {"model": model, "cases": dict.fromkeys(twin.training["split"]["test"])}
    text = held_out_text(trainings(shipped.checksum, shipped.training), tested)
    assert "a twin" in text
    assert text in (root / "MODEL_CARD.md").read_text()
