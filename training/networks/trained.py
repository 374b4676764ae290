"""Trained networks: where their weights are, and how they were trained."""

import json
from dataclasses import dataclass
from pathlib import Path

from model.card import CARD, WEIGHTS, file_of, read_card, verified
from model.errors import ModelError
from training.networks.provenance import by_network

# The twin of the shipped model, trained without the test patients.
TWIN = Path(__file__).parents[1] / "held_out"
# Networks that are averaged must have these settings in common: their kind and their input.
COMMON = ("network", "neighbours", "mirror")
# What is known of a training. A run keeps each in a file, a card under its name.
PROVENANCE = ("split", "settings", "start")


@dataclass(frozen=True)
class Trained:
    """A trained network: the folder that holds it, its weights file, and how it was trained."""

    run: Path
    weights: Path
    training: dict


def trained(runs: list[Path]) -> list[Trained]:
    """Return the networks of finished runs and of trained models. Raises ModelError."""
    return [network for run in runs for network in networks_of(run)]


def is_model(run: Path) -> bool:
    """Say whether a folder holds a trained model, with its card, and not a run."""
    return (run / CARD).exists()


def networks_of(run: Path) -> list[Trained]:
    """Return the network of a finished run, or those of a trained model. Raises ModelError."""
    if not is_model(run):
        try:
            training = {name: json.loads((run / f"{name}.json").read_text()) for name in PROVENANCE}
        except OSError as error:
            raise ModelError(f"{run} holds neither a run nor a trained model.") from error
        return [Trained(run, run / "final.weights.h5", training)]
    card = read_card(run)
    return [
        Trained(
            run,
            verified(run, card, file_of(WEIGHTS, number)),
            {name: training[name] for name in PROVENANCE},
        )
        for number, training in enumerate(by_network(card.training))
    ]


def further_networks(trainings: list[dict]) -> dict[str, list]:
    """Return what a card says of the trainings after the first, which have the same split."""
    others = [{"settings": one["settings"], "start": one["start"]} for one in trainings]
    return {"others": others} if others else {}


def differing(training: dict, other: dict) -> str:
    """Return why networks of these trainings cannot be averaged; empty if they can."""
    if training["split"] != other["split"]:
        return "cases"
    one, two = training["settings"], other["settings"]
    names = [name for name in COMMON if one[name] != two[name]]
    return f"settings ({', '.join(f'{name} {one[name]}' for name in names)})" if names else ""
