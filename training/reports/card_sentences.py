"""Sentences of the model card that follow from the card of the artefact."""

from model.card import ModelCard, count_text
from model.labels import REGIONS
from model.networks import NETWORKS
from model.postprocess import MIN_GROWTH_PROBABILITY, Postprocessing
from training.reports.card_tables import TITLES


def size_text(card: ModelCard) -> str:
    """Return a sentence on the parameters of both networks, and of the model."""
    counts = {TITLES[key]: build(card.channels).count_params() for key, build in NETWORKS.items()}
    sentence = " and ".join(f"{title} has {count:,} parameters" for title, count in counts.items())
    total = card.networks * counts[TITLES[card.architecture]]
    return f"{sentence}; the model has {total:,}, {total * 4 / 1e6:.1f} MB in float32."


def averaged_text(card: ModelCard) -> str:
    """Return a sentence on the networks whose probabilities are averaged; empty for one."""
    if card.networks == 1:
        return ""
    return f" Its probabilities are the mean of {count_text(card.networks)}, each trained alone."


def supervised_text(card: ModelCard) -> str:
    """Return which networks were trained with deep supervision, as the start of a list."""
    trainings = [card.training, *card.training.get("others", ())]
    supervised = [
        str(number)
        for number, training in enumerate(trainings, start=1)
        if training["settings"].get("deep_supervision")
    ]
    if not supervised:
        return ""
    return f"network {', '.join(supervised)} was trained with deep supervision (`--deep-supervision`). "


def refinement_text(card: ModelCard) -> str:
    """Return a sentence on what later views leave out; empty where they leave out nothing."""
    inference = card.inference
    first, *others = inference.planes
    if not (inference.refinement_threshold and (others or card.networks > 1)):
        return ""
    network = "The first network" if card.networks > 1 else "The network"
    turns = " Each network sees those between the slices of the others."
    return (
        f" {network} looks at {first} slices of the whole brain. All other slices cover only what lies near "
        f"voxels to which these give tumour a probability of at least {inference.refinement_threshold:g}."
        + (turns if inference.refinement_interval and card.networks > 1 else "")
    )


def post_text(post: Postprocessing) -> str:
    """Return the steps of post-processing as a list."""
    steps = weights_text(post.class_weights)
    steps += f"tumours under {post.min_component_ml:g} mL are dropped, "
    if post.min_core_ml:
        steps += f"tumour cores under {post.min_core_ml:g} mL become edema, "
    if post.min_enhancing_ml:
        steps += f"parts of enhancing tumour under {post.min_enhancing_ml:g} mL become what is next likely, "
    if post.keep_probability < 1:
        steps += f"unless their mean calibrated probability is at least {post.keep_probability:g}"
    else:
        steps = steps.removesuffix(", ")
    if post.growth_temperature:
        steps += (
            ". If no sequence is missing, edema then spreads to adjoining voxels that are probably tumour. The "
            f"threshold is that of the largest expected Dice, at least {MIN_GROWTH_PROBABILITY:g} "
            f"(`model/postprocess.py`; temperature {post.growth_temperature:g})"
        )
    if any(temperature != 1 for temperature in post.temperatures):
        listed = ", ".join(f"{temperature:g}" for temperature in post.temperatures)
        steps += (
            ". Shown probabilities are calibrated: log-odds of the chosen class are divided by "
            f"{listed} (background, core, edema, enhancing tumour)"
        )
    return steps


def weights_text(weights: tuple[float, ...]) -> str:
    """Return which classes' probabilities are weighted, as the start of a list of steps."""
    titles = ["background", *[region.title.lower() for region in REGIONS]]
    changed = [f"{t} {w:g}" for t, w in zip(titles, weights, strict=True) if w != 1.0]
    if not changed:
        return ""
    return f"class probabilities are multiplied ({', '.join(changed)}) and the strongest chosen, "
