"""The parts of a training, and that nobody is scored whom the network had seen."""

import dataclasses

import pytest

from model.card import DEFAULT_DIR, read_card
from training.provenance import changed, held_out_text, parts_table, settings_texts, trainings


@pytest.fixture
def card():
    """A card whose weights `c` were trained on from `b`, and those from `a`."""
    settings = {"epochs": 2, "steps_per_epoch": 3, "batch": 4, "learning_rate": 0.1}
    settings["sampling"] = {"patch": [8, 9], "jitter_px": 1}
    start, training = {}, {}
    for patient, weights in {"one": "a", "two": "b", "three": "c"}.items():
        split = {"train": [patient, "phantom_1"], "test": []}
        training = {"split": split, "settings": settings, "start": start}
        start = {"weights": weights, "training": training}
        settings = settings | {"learning_rate": settings["learning_rate"] / 2}
    base = read_card(DEFAULT_DIR)
    return dataclasses.replace(base, training=training, files=dict.fromkeys(base.files, "c"))


def evaluation(checksum: str, *cases: str) -> dict:
    return {"model": {"checksum": checksum}, "cases": dict.fromkeys(cases)}


def test_parts_are_listed_from_the_first_on(card):
    parts = trainings(card)
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


def test_the_text_says_which_part_had_not_seen_the_patients(card):
    parts = trainings(card)
    text = held_out_text(parts, evaluation("b", "three", "four"))
    assert "after part 2" in text and "their 2" in text and "trained on them, too" in text
    assert "it is the shipped one" in held_out_text(parts, evaluation("c", "four"))


def test_nobody_is_scored_whom_the_network_had_seen(card):
    parts = trainings(card)
    for part, patient in (("b", "one"), ("b", "two"), ("c", "three")):
        with pytest.raises(ValueError, match=f"trained on {patient}"):
            held_out_text(parts, evaluation(part, patient, "four"))
    with pytest.raises(ValueError, match="another model"):
        held_out_text(parts, evaluation("d", "four"))
