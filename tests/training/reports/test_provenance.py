"""The parts of a training, and that nobody is scored whom the network had seen."""

from pathlib import Path

import pytest

from model.card import DEFAULT_DIR, read_card
from training.reports.card_tables import progress_table
from training.reports.provenance import (
    by_network,
    changed,
    held_out_text,
    lineages,
    parts_table,
    settings_texts,
)


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
def shipped() -> list[list[dict]]:
    """Of weights `c`, which were trained on from `b`, and those from `a`."""
    return lineages(["c"], training(PATIENTS))


def evaluation(patients: dict[str, str], *cases: str) -> dict:
    """Of the network that training on `patients` ended with."""
    *_, weights = patients
    return of_model([weights], training(patients), *cases)


def of_model(weights: list[str], trained: dict, *cases: str) -> dict:
    return {"model": {"weights": weights, "training": trained}, "cases": dict.fromkeys(cases)}


def first(count: int) -> dict[str, str]:
    return dict(list(PATIENTS.items())[:count])


def test_parts_are_listed_from_the_first_on(shipped):
    (parts,) = shipped
    assert [part["weights"] for part in parts] == ["a", "b", "c"]
    header, rows = parts_table(shipped)
    assert rows[0] == ("1", "1", "1", "1", "6 steps of 4", "8 x 9", "0.1", "a")
    assert len(header) == len(rows[0])
    first, second, third = settings_texts(shipped)
    assert "sampling (patch [8, 9], jitter_px 1)" in first
    assert (second, third) == ("Part 2: learning_rate 0.05.", "Part 3: learning_rate 0.025.")


def test_nested_settings_tell_only_what_changed():
    before = {"a": 1, "b": {"c": 2, "d": 3}, "e": {"f": 4}}
    assert changed({"a": 1, "b": {"c": 2, "d": 5}, "e": {"f": 4}}, before) == {"b": {"d": 5}}


def test_the_text_says_which_model_had_not_seen_the_patients(shipped):
    text = held_out_text(shipped, evaluation(first(2), "three", "four"))
    assert "after part 2" in text and "their 2" in text and "trained on them, too" in text
    assert "it is the shipped one" in held_out_text(shipped, evaluation(PATIENTS, "four"))
    text = held_out_text(shipped, evaluation(TWIN, "three"))
    assert "a twin (weights t)" in text and "their 1 patients" in text


def test_nobody_is_scored_whom_the_model_had_seen(shipped):
    for seen, patient in (
        (first(2), "one"),
        (first(2), "two"),
        (PATIENTS, "three"),
        (TWIN, "four"),
    ):
        with pytest.raises(ValueError, match=f"trained on {patient}"):
            held_out_text(shipped, evaluation(seen, patient, "five"))
    other = {"x": "one", "y": "two"}
    with pytest.raises(ValueError, match="another model"):
        held_out_text(shipped, evaluation(other, "four"))


OTHER = {"a": "one", "b": "two", "d": "three"}
OTHER_TWIN = {"a": "one", "x": "six", "u": "four"}


def both(patients: dict[str, str], other: dict[str, str]) -> dict:
    """What a card says of two networks, the second trained on `other` and with a seed of its own."""
    first, second = training(patients), training(other)
    settings = second["settings"] | {"seed": 1}
    return first | {"others": [{"settings": settings, "start": second["start"]}]}


def test_what_is_told_of_several_networks_is_told_of_each():
    first, second = by_network(both(PATIENTS, OTHER))
    assert first == training(PATIENTS) and "others" not in second
    assert second["split"] == first["split"] and second["start"]["weights"] == "b"
    networks = lineages(["c", "d"], both(PATIENTS, OTHER))
    _, rows = parts_table(networks)
    assert [row[:2] for row in rows] == [(n, part) for n in "12" for part in "123"]
    assert [row[-1] for row in rows] == ["a", "b", "c", "a", "b", "d"]
    assert settings_texts(networks)[3:] == [
        "Network 2, part 1: the same.",
        "Network 2, part 2: the same.",
        "Network 2, part 3: seed 1.",
    ]


def test_patients_seen_by_any_of_several_networks_were_seen():
    shipped = lineages(["c", "d"], both(PATIENTS, OTHER))
    twin = ["t", "u"], both(TWIN, OTHER_TWIN)
    with pytest.raises(ValueError, match="trained on six"):
        held_out_text(shipped, of_model(*twin, "six"))
    assert "a twin (weights t and u)" in held_out_text(shipped, of_model(*twin, "three"))
    # One network is no twin of two.
    with pytest.raises(ValueError, match="another model"):
        held_out_text(shipped, evaluation(TWIN, "three"))


def test_progress_is_of_each_network_and_then_of_all():
    def scored(*weights: str) -> dict:
        regions = {short: {"dice": len(weights) / 4} for short in ("NCR", "ED", "ET", "TC", "WT")}
        return {"model": {"weights": weights}, "mean": {"regions": regions}}

    networks = lineages(["t", "u"], both(TWIN, OTHER_TWIN))
    results = [scored("t", "u"), scored("u"), scored("b"), scored("elsewhere")]
    _, _, *rows = progress_table(networks, results).splitlines()
    titles = ["network 1, part 2", "network 2, part 3", "all networks"]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == titles
    assert "0.250" in rows[0] and "0.500" in rows[2]
    # Of one network, the last part's is all there is.
    alone = progress_table(lineages(["t"], training(TWIN)), [scored("t")])
    assert "network 1, part 3" in alone and "all" not in alone


def test_the_model_card_scores_the_twin_that_is_kept():
    root = Path(__file__).parents[3]
    shipped, twin = read_card(DEFAULT_DIR), read_card(root / "training/held_out")
    tested = of_model(twin.weights, twin.training, *twin.training["split"]["test"])
    text = held_out_text(lineages(shipped.weights, shipped.training), tested)
    assert "a twin" in text
    assert text in (root / "MODEL_CARD.md").read_text()
