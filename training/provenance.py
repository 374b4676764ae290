"""How a model came about: the parts of its training, from its card, and who was not seen in which."""


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


def lineages(weights: str, training: dict) -> list[list[dict]]:
    """Return the parts of the training of each network that is averaged, as `trainings` does."""
    networks = [training, *(training | other for other in training.get("others", ()))]
    return [trainings(weights, network) for network in networks]


def parts_table(parts: list[dict]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return header and rows: what each part saw, and the weights that it ended with."""
    rows = []
    for number, part in enumerate(parts, start=1):
        settings, cases = part["settings"], part["split"]["train"]
        phantoms = sum(name.startswith("phantom_") for name in cases)
        steps = settings["epochs"] * settings["steps_per_epoch"]
        height, width = settings["sampling"]["patch"]
        amount = f"{steps:,} steps of {settings['batch']}"
        row = (str(len(cases) - phantoms), str(phantoms), amount, f"{height} x {width}")
        rows.append((str(number), *row, f"{settings['learning_rate']:g}", part["weights"][:12]))
    header = ("part", "patients", "phantoms", "patches", "size", "learning rate", "weights")
    return header, rows


def held_out_text(parts: list[dict], test: dict) -> str:
    """Say which network the tables are of: one of the parts', or a twin trained without some patients.

    Raises ValueError if it is another, or had seen the patients that it was scored on.
    """
    networks = lineages(test["model"]["checksum"], test["model"]["training"])
    tested = networks[0]
    seen = {name for one in networks for part in one for name in part["split"]["train"]}
    if leaked := seen & set(test["cases"]):
        raise ValueError(f"the model was trained on {', '.join(sorted(leaked))}")
    number, count = len(tested), len(test["cases"])
    after = f"The tables below are of the network after part {number}, which had not seen their {count} "
    unscored = "was trained on them, too, so that no patient\nis left to score it on."
    if column(tested, "weights") == column(parts, "weights"):
        return f"{after}patients; it is the shipped one."
    if column(tested, "weights") == column(parts[:number], "weights"):
        return f"{after}patients.\nThe shipped network, after part {len(parts)}, {unscored}"
    shipped = lineages(parts[-1]["weights"], parts[-1])
    recipes, own = ([column(one, "settings") for one in several] for several in (networks, shipped))
    if recipes == own:
        return (
            f"The tables below are of a twin (weights {tested[-1]['weights'][:12]}): the same parts, settings "
            f"and seeds, but\nwithout their {count} patients. The shipped network {unscored}"
        )
    raise ValueError("the evaluation is of another model than any part of this one's training")


def column(parts: list[dict], key: str) -> list:
    """Return what each part has under `key`."""
    return [part[key] for part in parts]


def settings_texts(parts: list[dict]) -> list[str]:
    """Return a sentence on the settings of each part; of later ones, what differs from before."""
    sentences, before = [], {}
    for number, part in enumerate(parts, start=1):
        sentences.append(f"Part {number}: {settings_text(changed(part['settings'], before))}.")
        before = part["settings"]
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
