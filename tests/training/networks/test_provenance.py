"""The stages of a training, as a card tells of them."""

import pytest

from model.card import DEFAULT_DIR, read_card
from model.errors import ModelError
from tests.training.told import OTHER, PATIENTS, both, shipped, training
from training.networks.provenance import (
    by_network,
    cases_trained_on,
    stages_by_network,
    start_of,
)


def test_stages_are_listed_from_the_first_on():
    (stages,) = shipped()
    assert [stage["weights"] for stage in stages] == ["a", "b", "c"]
    assert [stage["settings"]["learning_rate"] for stage in stages] == [0.1, 0.05, 0.025]
    assert cases_trained_on(shipped()) == {"one", "two", "three", "phantom_1"}


def test_what_is_told_of_several_networks_is_told_of_each():
    first, second = by_network(both(PATIENTS, OTHER))
    assert first == training(PATIENTS) and "others" not in second
    assert second["split"] == first["split"] and second["start"]["weights"] == "b"
    networks = stages_by_network(["c", "d"], both(PATIENTS, OTHER))
    weights = [[stage["weights"] for stage in stages] for stages in networks]
    assert weights == [["a", "b", "c"], ["a", "b", "d"]]
    assert networks[1][-1]["settings"]["seed"] == 1


def test_a_training_starts_from_any_network_of_a_model():
    card = read_card(DEFAULT_DIR)
    for network in range(card.networks):
        start = start_of(DEFAULT_DIR, network)
        assert start["weights"] == card.weights[network]
        assert start["training"] == by_network(card.training)[network]
    with pytest.raises(ModelError, match="no network 3"):
        start_of(DEFAULT_DIR, 2)
