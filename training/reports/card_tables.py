"""The tables of the model card, in Markdown, from evaluations and results of experiments."""

import json
import statistics
from pathlib import Path

from model.io.modalities import TITLES as MODALITY_TITLES
from model.networks import NETWORKS
from training.data.single_slices import SUFFIX
from training.experiments import Experiment
from training.reports.experiments_page import SHOWN, compared
from training.scoring import calibration
from training.scoring.results import Result
from training.scoring.scores import SHORT, mean_scores

# Figures of the work that this follows, for its MobileUNet.
PUBLISHED = {"ED": 0.867, "ET": 0.679, "NCR": 0.7153, "accuracy": 0.9078, "dice_loss": 0.0187}
# The scores of the comparison of both networks.
COMPARED = (*SHORT, "accuracy", "dice_loss")
TITLES = {"simple_unet": "Simple U-Net", "mobile_unet": "MobileUNet"}


def read_json(path: Path) -> dict:
    return json.loads(path.read_text())


def measured(result: dict) -> dict:
    """Return the fields of the card's text that come from the evaluation of the test patients."""
    mean = result["mean"]
    calibrated = calibration.summary(list(result["cases"].values()))
    return {
        "patients": len(result["cases"]),
        "device": result["model"]["device"],
        "scores": region_table(mean),
        "accuracy": mean["accuracy"],
        "dice_loss": mean["dice_loss"],
        "calibration_error": calibrated["error"],
        "case_gap": calibrated["case_gap"],
    }


def region_table(mean: dict) -> str:
    """Return the mean scores by region; lesion-wise ones where the challenge takes them."""
    header = ("region", "Dice", "HD95 mm", "volume error mL", "precision", "recall")
    header += ("lesion-wise Dice", "lesion-wise HD95 mm", "lesions", "missed", "false")
    rows = []
    for short in SHORT:
        row = (short, *[f"{value:.3f}" for value in mean["regions"][short].values()])
        if lesions := mean["lesion_wise"].get(short):
            row += (f"{lesions['dice']:.3f}", f"{lesions['hd95_mm']:.1f}")
            row += tuple(str(lesions[key]) for key in ("lesions", "missed", "false"))
        rows.append(row + ("",) * (len(header) - len(row)))
    return table(header, rows)


def modes_table(results: list[dict]) -> str:
    """Return mean Dice and median processor time of evaluations in several qualities."""
    rows = []
    for result in sorted(results, key=processor_seconds):
        cells = dice_cells(result["mean"]["regions"])
        rows.append((result["model"]["averaged"], *cells, f"{processor_seconds(result):.1f}"))
    return table(("views", *SHORT, "processor s"), rows)


def processor_seconds(result: dict) -> float:
    """Return the median over cases of the processor time that segmenting took, over all cores."""
    return statistics.median(case["seconds"]["processor"] for case in result["cases"].values())


def missing_table(full: dict, paths: list[Path]) -> str:
    """Return mean Dice with all sequences, and without each; with its change."""
    whole = {short: full["mean"]["regions"][short]["dice"] for short in SHORT}
    rows = [("none", *dice_cells(full["mean"]["regions"]))]
    for result in map(read_json, paths):
        dice = {short: result["mean"]["regions"][short]["dice"] for short in SHORT}
        changed = [f"{dice[short]:.3f} ({dice[short] - whole[short]:+.3f})" for short in SHORT]
        rows.append((MODALITY_TITLES[result["without"]], *changed))
    return table(("missing", *SHORT), rows)


def stages_table(networks: list[list[dict]]) -> str:
    """Return what each stage was trained on, with the weights of each network after it.

    networks : as `stages_by_network` returns them. Networks that differ have rows of their own.
    """
    weights: dict[tuple[str, ...], list[str]] = {}
    for stages in networks:
        for number, stage in enumerate(stages, start=1):
            row = (str(number), *stage_cells(stage))
            weights.setdefault(row, []).append(stage["weights"][:12])
    header = ("stage", "cases", "patients of single slices", "phantoms", "patches", "size")
    header += ("learning rate", "weights")
    rows = [(*row, ", ".join(found)) for row, found in sorted(weights.items())]
    return table(header, rows)


def stage_cells(stage: dict) -> tuple[str, ...]:
    """Return cases, patients of single slices, phantoms, patches, their size and the learning rate."""
    settings, cases = stage["settings"], stage["split"]["train"]
    phantoms = sum(name.startswith("phantom_") for name in cases)
    single = sum(name.endswith(SUFFIX) for name in cases)
    steps = settings["epochs"] * settings["steps_per_epoch"]
    height, width = settings["sampling"]["patch"]
    return (
        str(len(cases) - phantoms - single),
        str(single),
        str(phantoms),
        f"{steps:,} steps of {settings['batch']}",
        f"{height} x {width}",
        f"{settings['learning_rate']:g}",
    )


def comparison_table(results: list[tuple[Experiment, Result]]) -> str:
    """Return mean scores of both networks in cross-validation beside the published ones.

    results : of the baseline, then of the network that is compared with it, over the same patients
    """
    if len(results) < len(NETWORKS):
        return "Not measured for this version."
    rows = [comparison_row(experiment, result) for experiment, result in results]
    (baseline, _), (network, _) = rows
    changes = zip(SHOWN, *compared(results[1][1], results[0][1]), strict=False)
    differences = {short: f"{change:+.3f} ± {error:.3f}" for short, change, error in changes}
    published = [f"{PUBLISHED[key]:.3f}" if key in PUBLISHED else "" for key in COMPARED]
    header = ("", *SHORT, "accuracy", "dice loss")
    rows = [(title, *cells) for title, cells in rows]
    rows.append((f"{network} − {baseline}", *[differences[short] for short in SHORT], "", ""))
    rows.append(("published", *published))
    return f"{table(header, rows)}\n\n{comparison_text(*results[0])}"


def comparison_row(experiment: Experiment, result: Result) -> tuple[str, list[str]]:
    """Return the network's title and its mean scores in the order of `COMPARED`."""
    mean = mean_scores(list(result.cases.values()))
    values = [mean["regions"][short]["dice"] for short in SHORT]
    values += [mean["accuracy"], mean["dice_loss"]]
    return TITLES[experiment.train.network], [f"{value:.3f}" for value in values]


def comparison_text(experiment: Experiment, result: Result) -> str:
    """Say how the networks of the comparison were trained and scored."""
    settings = experiment.train
    return (
        f"Cross-validation over {len(result.cases)} patients in {len(experiment.folds.run)} folds, "
        f"{settings.epochs * settings.steps_per_epoch} steps of {settings.batch} patches for each "
        "network. Differences are means over the patients with their standard errors."
    )


def dice_cells(regions: dict[str, dict]) -> list[str]:
    """Return Dice of each region, in the order of `SHORT`."""
    return [f"{regions[short]['dice']:.3f}" for short in SHORT]


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
