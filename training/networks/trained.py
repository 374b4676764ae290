"""Trained networks, where their weights are and what is told of their training."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from model.card import CARD, WEIGHTS, file_of, read_card, verified
from model.errors import ModelError
from training.reports.provenance import by_network, changed, settings_text
from training.settings import Settings

# The settings in which networks that are averaged are alike: their kind, and what they see.
OF_INPUTS = ("network", "neighbours", "mirror")
# What is told of a training: a run keeps each in a file, a card under its name.
PROVENANCE = ("split", "settings", "start")


@dataclass(frozen=True)
class Trained:
    """A trained network: whose folder holds it, its weights file, and what is told of its training."""

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
    """Return what a card tells of the trainings after the first, whose split they share."""
    others = [{"settings": one["settings"], "start": one["start"]} for one in trainings]
    return {"others": others} if others else {}


def differing(training: dict, other: dict) -> str:
    """Say in what `training` differs from `other` that forbids an average; empty if in nothing."""
    if training["split"] != other["split"]:
        return "cases"
    # Settings that came after a run count as their defaults.
    defaults = asdict(Settings())
    one, two = (
        {name: (defaults | part["settings"])[name] for name in OF_INPUTS}
        for part in (training, other)
    )
    return "" if one == two else f"settings ({settings_text(changed(one, two))})"
