"""What cards say of trainings, made up: weights are letters, patients are words."""

from training.networks.provenance import stages_by_network

PATIENTS = {"a": "one", "b": "two", "c": "three"}
TWIN = {"a": "one", "b": "two", "t": "four"}
OTHER = {"a": "one", "b": "two", "d": "three"}
OTHER_TWIN = {"a": "one", "x": "six", "u": "four"}


def training(patients: dict[str, str]) -> dict:
    """What a card says of a network trained in stages, each on a patient; weights to patient."""
    settings = {"epochs": 2, "steps_per_epoch": 3, "batch": 4, "learning_rate": 0.1}
    settings["sampling"] = {"patch": [8, 9], "jitter_px": 1}
    start, result = {}, {}
    for weights, patient in patients.items():
        split = {"train": [patient, "phantom_1"], "test": []}
        result = {"split": split, "settings": settings, "start": start}
        start = {"weights": weights, "training": result}
        settings = settings | {"learning_rate": settings["learning_rate"] / 2}
    return result


def both(patients: dict[str, str], other: dict[str, str]) -> dict:
    """What a card says of two networks, the second trained on `other` and with a seed of its own."""
    first, second = training(patients), training(other)
    settings = second["settings"] | {"seed": 1}
    return first | {"others": [{"settings": settings, "start": second["start"]}]}


def shipped() -> list[list[dict]]:
    """Of weights `c`, whose training started from `b`, and that from `a`."""
    return stages_by_network(["c"], training(PATIENTS))
