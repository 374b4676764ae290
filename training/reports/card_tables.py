"""The tables of the model card, in Markdown, from evaluations and results of experiments."""

import json
import math
import statistics
from pathlib import Path

from model.card import ModelCard, count_text
from model.io.modalities import TITLES as MODALITY_TITLES
from model.networks import NETWORKS
from training.reports.experiments import SHOWN, compared
from training.scoring import calibration
from training.scoring.scores import SHORT, mean_scores

# Figures that the work which this follows reports for its MobileUNet.
PUBLISHED = {"ED": 0.867, "ET": 0.679, "NCR": 0.7153, "accuracy": 0.9078, "dice_loss": 0.0187}
TITLES = {"simple_unet": "Simple U-Net", "mobile_unet": "MobileUNet"}


def read_json(path: Path) -> dict:
    return json.loads(path.read_text())


def measured(result: dict) -> dict:
    """Return the fields of the text that come from the evaluation."""
    mean = result["mean"]
    header = ("region", "Dice", "HD95 mm", "volume error mL", "precision", "recall")
    rows = [
        (short, *[f"{value:.3f}" for value in mean["regions"][short].values()]) for short in SHORT
    ]
    curve = calibration.curve([case["calibration"] for case in result["cases"].values()])
    cases = []
    for name, scores in result["cases"].items():
        dice = [f"{scores['regions'][short]['dice']:.3f}" for short in SHORT]
        seconds = scores["seconds"]["read"] + scores["seconds"]["segment"]
        cases.append((name, *dice, f"{seconds:.1f}"))
    return {
        "patients": len(result["cases"]),
        "device": result["model"]["device"],
        "scores": table(header, rows),
        "accuracy": mean["accuracy"],
        "dice_loss": mean["dice_loss"],
        "lesions": lesion_table(mean["lesion_wise"]),
        "calibration": calibration_table(curve),
        "calibration_error": calibration.expected_error(curve),
        "cases": table(("case", *[f"Dice {short}" for short in SHORT], "seconds"), cases),
    }


def progress_table(networks: list[list[dict]], results: list[dict]) -> str:
    """Return mean Dice on the test patients after each part of the training that has a result.

    Last comes that of all networks together, where there are several.
    """
    by_weights = {tuple(result["model"]["weights"]): result for result in results}
    titles: dict[tuple[str, ...], str] = {}
    for network, parts in enumerate(networks, start=1):
        for number, part in enumerate(parts, start=1):
            # A part that networks share is the first one's.
            titles.setdefault((part["weights"],), f"network {network}, part {number}")
    titles.setdefault(tuple(parts[-1]["weights"] for parts in networks), "all networks")
    rows = []
    for weights, title in titles.items():
        if weights in by_weights:
            regions = by_weights[weights]["mean"]["regions"]
            rows.append((title, *[f"{regions[short]['dice']:.3f}" for short in SHORT]))
    return table(("after", *SHORT), rows)


def modes_table(results: list[dict]) -> str:
    """Return mean Dice and median seconds of evaluations that averaged different views."""
    rows = []
    for result in sorted(results, key=lambda result: seconds_per_patient(result)):
        dice = [f"{result['mean']['regions'][short]['dice']:.3f}" for short in SHORT]
        rows.append((result["model"]["averaged"], *dice, f"{seconds_per_patient(result):.1f}"))
    return table(("views", *SHORT, "seconds"), rows)


def seconds_per_patient(result: dict) -> float:
    """Return the median time to read and segment a case of an evaluation."""
    seconds = [case["seconds"] for case in result["cases"].values()]
    return statistics.median(s["read"] + s["segment"] for s in seconds)


def lesion_table(lesion_wise: dict[str, dict]) -> str:
    """Return lesion-wise means over patients and the number of lesions of all, by region."""
    header = ("region", "Dice", "HD95 mm", "lesions", "missed", "false")
    rows = [
        (short, f"{s['dice']:.3f}", f"{s['hd95_mm']:.1f}", *(str(s[key]) for key in header[3:]))
        for short, s in lesion_wise.items()
    ]
    return table(header, rows)


def missing_table(full: dict, paths: list[Path]) -> str:
    """Return mean Dice without each sequence beside that with all four."""
    whole = {short: full["mean"]["regions"][short]["dice"] for short in SHORT}
    rows = [("none", *[f"{value:.3f}" for value in whole.values()])]
    for path in paths:
        result = read_json(path)
        regions = result["mean"]["regions"]
        dice = {short: regions[short]["dice"] for short in SHORT}
        changed = [f"{dice[short]:.3f} ({dice[short] - whole[short]:+.3f})" for short in SHORT]
        rows.append((MODALITY_TITLES[result["without"]], *changed))
    return table(("missing", *SHORT), rows)


def calibration_table(curve: dict) -> str:
    """Return voxels, mean probability and share of right voxels by bin of probability."""
    filled = [i for i, voxels in enumerate(curve["voxels"]) if voxels]
    rows = [
        (
            f"{calibration.EDGES[i]:.2f} to {calibration.EDGES[i + 1]:.2f}",
            f"{curve['voxels'][i]:,}",
            f"{curve['confidence'][i]:.3f}",
            f"{curve['accuracy'][i]:.3f}",
        )
        for i in filled
    ]
    return table(("probability", "voxels", "mean probability", "share right"), rows)


def size_table(card: ModelCard) -> str:
    """Return parameters of both networks, and of the card's if it averages several, with sizes."""
    networks = {TITLES[key]: (build(card.channels), 1) for key, build in NETWORKS.items()}
    if card.networks > 1:
        one, _ = networks[TITLES[card.architecture]]
        networks[f"{TITLES[card.architecture]}, {count_text(card.networks)}"] = one, card.networks
    rows = []
    for title, (network, times) in networks.items():
        trainable = times * sum(math.prod(weight.shape) for weight in network.trainable_weights)
        total = times * network.count_params()
        counts = (f"{count:,}" for count in (trainable, total - trainable, total))
        rows.append((title, *counts, f"{total * 4 / 1e6:.1f} MB"))
    return table(("network", "trainable", "non-trainable", "total", "weights, float32"), rows)


def comparison_table(results: list[dict]) -> str:
    """Return mean scores of both networks in cross-validation beside the published ones.

    results : of the baseline, then of the network that is compared with it, over the same patients
    """
    header = ("", *[f"Dice {short}" for short in SHORT])
    header += ("precision", "recall", "accuracy", "dice loss", "s per patient")
    if len(results) < len(NETWORKS):
        return "Not measured for this version."
    rows = []
    for result in results:
        mean, cases = mean_scores(list(result["cases"].values())), result["cases"].values()
        regions = mean["regions"]
        seconds = sum(case["seconds"]["segment"] for case in cases) / len(cases)
        row = [regions[short]["dice"] for short in SHORT]
        row += [regions["WT"]["precision"], regions["WT"]["recall"]]
        row += [mean["accuracy"], mean["dice_loss"]]
        title = TITLES[result["settings"]["train"]["network"]]
        rows.append((title, *[f"{value:.3f}" for value in row], f"{seconds:.1f}"))
    changes = zip(SHOWN, *compared(results[1], results[0]), strict=False)
    differences = {short: f"{change:+.3f} ± {error:.3f}" for short, change, error in changes}
    (baseline, *_), (network, *_) = rows
    rows.append((f"{network} − {baseline}", *[differences[short] for short in SHORT], *[""] * 5))
    published = [f"{PUBLISHED[short]:.3f}" if short in PUBLISHED else "" for short in SHORT]
    accuracy, loss = f"{PUBLISHED['accuracy']:.3f}", f"{PUBLISHED['dice_loss']:.3f}"
    rows.append(("published", *published, "", "", accuracy, loss, ""))
    patients, steps = len(results[0]["cases"]), results[0]["settings"]["train"]
    return (
        table(header, rows)
        + f"\n\nCross-validation over {patients} patients in "
        + f"{len(results[0]['settings']['folds']['run'])} folds, "
        + f"{steps['epochs'] * steps['steps_per_epoch']} steps of {steps['batch']} patches for each "
        + "network: a short training, for comparison only (`training/EXPERIMENTS.md`). Differences are "
        + "means over the patients with their standard errors. Precision and recall are those of the "
        + "whole tumour; times were taken beside other work."
    )


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
