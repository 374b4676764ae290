"""How a model was trained, as its card tells: the stages of each network, and their cases."""

from collections.abc import Sequence
from pathlib import Path

from model.card import read_card
from model.errors import ModelError


def stages_of(weights: str, training: dict) -> list[dict]:
    """Return the stages of a training, first to last: `weights`, `split`, `settings`.

    `weights` is the checksum of the trained network, `training` what its card says of it.
    """
    stages = []
    while training:
        stages.append({"weights": weights} | training)
        start = training.get("start", {})
        training, weights = start.get("training"), start.get("weights")
    return stages[::-1]


def by_network(training: dict) -> list[dict]:
    """Return what a card says of each network's training; all networks have the same split."""
    first = {name: value for name, value in training.items() if name != "others"}
    return [first, *(first | other for other in training.get("others", ()))]


def stages_by_network(weights: Sequence[str], training: dict) -> list[list[dict]]:
    """Return the stages of each network of a model, as `stages_of` does.

    `weights` are the checksums of its trained networks.
    """
    return [stages_of(*one) for one in zip(weights, by_network(training), strict=True)]


def cases_trained_on(networks: list[list[dict]]) -> set[str]:
    """Return the names of all cases that any stage of any network was trained on."""
    return {name for stages in networks for stage in stages for name in stage["split"]["train"]}


def start_of(model_dir: Path, network: int = 0) -> dict:
    """Return the weights of a model's network, from 0, and its training. Raises ModelError."""
    card = read_card(model_dir)
    if not 0 <= network < card.networks:
        raise ModelError(f"The model in {model_dir} has no network {network + 1}.")
    return {"weights": card.weights[network], "training": by_network(card.training)[network]}
