"""How a model came about: the parts of its training, from its card, and who was not seen in which."""

from collections.abc import Sequence
from dataclasses import asdict

from training.settings import Settings, merged


def trainings(weights: str, training: dict) -> list[dict]:
    """Return the parts of a training, first to last: `weights`, `split`, `settings`.

    `weights` is the checksum of the trained network, `training` what its card says of it.
    """
    parts = []
    while training:
        parts.append({"weights": weights} | training)
        start = training.get("start", {})
        training, weights = start.get("training"), start.get("weights")
    return parts[::-1]


def by_network(training: dict) -> list[dict]:
    """Return what a card tells of its training for each network by itself; they share a split."""
    first = {name: value for name, value in training.items() if name != "others"}
    return [first, *(first | other for other in training.get("others", ()))]


def lineages(weights: Sequence[str], training: dict) -> list[list[dict]]:
    """Return the parts of the training of each network of a model, as `trainings` does.

    `weights` are the checksums of its trained networks.
    """
    return [trainings(*one) for one in zip(weights, by_network(training), strict=True)]


def parts_table(networks: list[list[dict]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return header and rows: what each part of each network's training saw, and its last weights."""
    rows = []
    for network, parts in enumerate(networks, start=1):
        for number, part in enumerate(parts, start=1):
            settings, cases = part["settings"], part["split"]["train"]
            phantoms = sum(name.startswith("phantom_") for name in cases)
            steps = settings["epochs"] * settings["steps_per_epoch"]
            height, width = settings["sampling"]["patch"]
            amount = f"{steps:,} steps of {settings['batch']}"
            row = (str(len(cases) - phantoms), str(phantoms), amount, f"{height} x {width}")
            row = (*row, f"{settings['learning_rate']:g}", part["weights"][:12])
            rows.append((str(network), str(number), *row))
    header = ("network", "part", "patients", "phantoms", "patches", "size", "learning rate")
    return (*header, "weights"), rows


def held_out_text(shipped: list[list[dict]], test: dict) -> str:
    """Say which model the tables are of: after a part of its training, or a twin without some patients.

    Raises ValueError if it is another, or had seen the patients that it was scored on.
    """
    tested = lineages(test["model"]["weights"], test["model"]["training"])
    seen = {name for parts in tested for part in parts for name in part["split"]["train"]}
    if leaked := seen & set(test["cases"]):
        raise ValueError(f"the model was trained on {', '.join(sorted(leaked))}")
    number, count = len(tested[0]), len(test["cases"])
    after = (
        f"The tables below are of the model after part {number}, which had not seen their {count} "
    )
    unscored = "was trained on them, too, so that no patient\nis left to score it on."
    if column(tested, "weights") == column(shipped, "weights"):
        return f"{after}patients; it is the shipped one."
    if column(tested, "weights") == column([parts[:number] for parts in shipped], "weights"):
        return f"{after}patients.\nThe shipped one, after part {len(shipped[0])}, {unscored}"
    if column(tested, "settings") == column(shipped, "settings"):
        weights = " and ".join(parts[-1]["weights"][:12] for parts in tested)
        return (
            f"The tables below are of a twin (weights {weights}): the same parts, settings "
            f"and seeds, but\nwithout their {count} patients. The shipped model {unscored}"
        )
    raise ValueError("the evaluation is of another model than any part of this one's training")


def column(networks: list[list[dict]], key: str) -> list[list]:
    """Return what each part of each network's training has under `key`."""
    return [[part[key] for part in parts] for parts in networks]


def settings_texts(networks: list[list[dict]]) -> list[str]:
    """Return a sentence on the settings of each part of the training.

    For the first network, what differs from the part before; for others, from the same part of its.
    Settings that a run did not know yet count as their defaults there.
    """
    first, *others = networks
    sentences, before = [], {}
    for number, part in enumerate(first, start=1):
        sentences.append(f"Part {number}: {settings_text(changed(part['settings'], before))}.")
        before = part["settings"]
    defaults = asdict(Settings())
    for network, parts in enumerate(others, start=2):
        for number, pair in enumerate(zip(parts, first, strict=True), start=1):
            own, like = (merged(defaults, part["settings"]) for part in pair)
            text = settings_text(changed(own, like)) or "the same"
            sentences.append(f"Network {network}, part {number}: {text}.")
    return sentences


def changed(settings: dict, before: dict) -> dict:
    """Return those of nested `settings` that differ from `before`."""
    result = {}
    for key, value in settings.items():
        if isinstance(value, dict) and key in before:
            value = changed(value, before[key])
        if value != before.get(key) and value != {}:
            result[key] = value
    return result


def settings_text(settings: dict) -> str:
    """Return the settings in one line; nested ones in brackets."""
    return ", ".join(
        f"{key} ({settings_text(value)})" if isinstance(value, dict) else f"{key} {value}"
        for key, value in settings.items()
    )
