"""Which model the scores of a card are of, and that it had seen none of the patients."""

from training.networks.provenance import cases_trained_on, stages_by_network


def held_out_text(shipped: list[list[dict]], test: dict) -> str:
    """Say which model was scored: the shipped one, an earlier stage of it, or its twin.

    shipped : the stages of each of its networks
    test : what `training.evaluate` wrote

    Raises ValueError if it is another model, or was trained on a patient that it was scored on.
    """
    tested = stages_by_network(test["model"]["weights"], test["model"]["training"])
    if leaked := cases_trained_on(tested) & set(test["cases"]):
        raise ValueError(f"the model was trained on {', '.join(sorted(leaked))}")
    number, count = len(tested[0]), len(test["cases"])
    if _each(tested, "weights") == _each(shipped, "weights"):
        return (
            f"The scores are of the shipped model, which was not trained on these {count} patients."
        )
    if _each(tested, "weights") == _each([stages[:number] for stages in shipped], "weights"):
        return (
            f"The scores are of the model after stage {number}, before it was trained on these {count} "
            f"patients. The shipped model, after stage {len(shipped[0])}, was trained on them, too."
        )
    if _each(tested, "settings") == _each(shipped, "settings"):
        weights = " and ".join(stages[-1]["weights"][:12] for stages in tested)
        return (
            "The shipped model was trained on all patients, so it cannot be scored. The scores are of its "
            f"twin (weights {weights}): the same training without these {count} patients."
        )
    raise ValueError("the evaluation is of another model than any stage of this one")


def _each(networks: list[list[dict]], key: str) -> list[list]:
    """Return what each stage of each network has under `key`."""
    return [[stage[key] for stage in stages] for stages in networks]
