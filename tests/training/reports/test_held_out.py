"""Which model was scored, and that nobody is scored whom it was trained on."""

from pathlib import Path

import pytest

from model.card import DEFAULT_DIR, read_card
from tests.training.told import OTHER, OTHER_TWIN, PATIENTS, TWIN, both, shipped, training
from training.networks.provenance import stages_by_network
from training.reports.held_out import held_out_text


def evaluation(patients: dict[str, str], *cases: str) -> dict:
    """Of the network that training on `patients` ended with."""
    *_, weights = patients
    return of_model([weights], training(patients), *cases)


def of_model(weights: list[str], trained: dict, *cases: str) -> dict:
    return {"model": {"weights": weights, "training": trained}, "cases": dict.fromkeys(cases)}


def first(count: int) -> dict[str, str]:
    return dict(list(PATIENTS.items())[:count])


def test_the_text_says_which_model_had_not_seen_the_patients():
    text = held_out_text(shipped(), evaluation(first(2), "three", "four"))
    assert "after stage 2" in text and "these 2" in text and "trained on them, too" in text
    assert "of the shipped model" in held_out_text(shipped(), evaluation(PATIENTS, "four"))
    text = held_out_text(shipped(), evaluation(TWIN, "three"))
    assert "twin (weights t)" in text and "these 1 patients" in text


def test_nobody_is_scored_whom_the_model_had_seen():
    for seen, patient in (
        (first(2), "one"),
        (first(2), "two"),
        (PATIENTS, "three"),
        (TWIN, "four"),
    ):
        with pytest.raises(ValueError, match=f"trained on {patient}"):
            held_out_text(shipped(), evaluation(seen, patient, "five"))
    other = {"x": "one", "y": "two"}
    with pytest.raises(ValueError, match="another model"):
        held_out_text(shipped(), evaluation(other, "four"))


def test_patients_seen_by_any_of_several_networks_were_seen():
    two = stages_by_network(["c", "d"], both(PATIENTS, OTHER))
    twin = ["t", "u"], both(TWIN, OTHER_TWIN)
    with pytest.raises(ValueError, match="trained on six"):
        held_out_text(two, of_model(*twin, "six"))
    assert "twin (weights t and u)" in held_out_text(two, of_model(*twin, "three"))
    # One network is no twin of two.
    with pytest.raises(ValueError, match="another model"):
        held_out_text(two, evaluation(TWIN, "three"))


def test_the_model_card_scores_the_twin_that_is_kept():
    root = Path(__file__).parents[3]
    shipped, twin = read_card(DEFAULT_DIR), read_card(root / "training/held_out")
    tested = of_model(twin.weights, twin.training, *twin.training["split"]["test"])
    text = held_out_text(stages_by_network(shipped.weights, shipped.training), tested)
    assert "twin" in text
    assert text in " ".join((root / "MODEL_CARD.md").read_text().split())
