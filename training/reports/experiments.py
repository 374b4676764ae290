"""The report of all experiments, written from their results."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

SHOWN = ("WT", "TC", "ET", "ED", "NCR")


def write_report(config: dict[str, Any], results: Path, path: Path) -> None:
    """Write the Markdown report of every experiment that has a result, in the order of `config`."""
    found = {}
    for name in config["experiment"]:
        file = results / f"{name}.json"
        if file.exists():
            found[name] = json.loads(file.read_text())
    sections = [INTRODUCTION.format(about=config["about"].strip())]
    for title, names in _groups(config, found).items():
        rows = [_row(name, config["experiment"][name], found) for name in names]
        sections.append(f"## {title}\n\n{HEAD}\n" + "\n".join(rows) + "\n")
    sections.append(DECISIONS_HEAD + "\n".join(_decision(n, config) for n in found) + "\n")
    path.write_text("\n".join(sections))


INTRODUCTION = """# Experiments

Written by `python -m training.crossval` from `training/experiments.toml` and `training/results/`;
do not edit.

{about}

Dice is the mean over the held-out patients of all folds run, on whole volumes through the serving
path. The second number is the mean difference to the experiment named under "against", over the same
patients, with its standard error. The last scores are lesion-wise for the tumour core: Dice, and how
many false ones there are in all.
"""
HEAD = (
    "| experiment | against | WT | TC | ET | ED | NCR | mean of five | lesion-wise TC | false TC | patients | minutes "
    "| slices/s | s/patient | configuration |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)
DECISIONS_HEAD = (
    "## Questions and decisions\n\n| experiment | question | decision |\n|---|---|---|\n"
)


def _groups(config: dict[str, Any], found: dict[str, dict]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in found:
        groups.setdefault(config["experiment"][name].get("group", "Experiments"), []).append(name)
    return groups


def dice_table(result: dict) -> dict[str, np.ndarray]:
    """Return Dice (patients, regions and their mean) of a result, by case."""
    table = {}
    for case, scores in result["cases"].items():
        values = [scores["regions"][short]["dice"] for short in SHOWN]
        table[case] = np.array([*values, np.mean(values)])
    return table


def compared(result: dict, reference: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean difference in Dice over common patients, and its standard error.

    One patient alone has no error: NaN.
    """
    one, other = dice_table(result), dice_table(reference)
    common = sorted(set(one) & set(other))
    differences = np.array([one[case] - other[case] for case in common])
    if len(common) < 2:
        return differences.mean(axis=0), np.full(differences.shape[1], np.nan)
    return differences.mean(axis=0), differences.std(axis=0, ddof=1) / np.sqrt(len(common))


def _row(name: str, table: dict, found: dict[str, dict]) -> str:
    result, against = found[name], table.get("against", "base")
    means = np.mean(list(dice_table(result).values()), axis=0)
    cells = [f"{mean:.3f}" for mean in means]
    if against in found and against != name:
        change, error = compared(result, found[against])
        cells = [
            f"{cell} {c:+.3f} ± {e:.3f}" for cell, c, e in zip(cells, change, error, strict=True)
        ]
    else:
        against = ""
    seconds = np.mean(
        [s["seconds"]["read"] + s["seconds"]["segment"] for s in result["cases"].values()]
    )
    columns = [name, against, *cells, *_lesion_wise(result["cases"].values())]
    columns += [len(result["cases"]), result["minutes"]]
    columns += [result["slices_per_s"], f"{seconds:.1f}", f"`{result['hash']}`"]
    return "| " + " | ".join(map(str, columns)) + " |"


def _lesion_wise(scores: Iterable[dict]) -> tuple[str, str]:
    """Return mean Dice and false ones of tumour cores; empty where they were not scored yet."""
    cores = [score["lesion_wise"]["TC"] for score in scores if "lesion_wise" in score]
    if not cores:
        return "", ""
    return f"{np.mean([c['dice'] for c in cores]):.3f}", str(sum(c["false"] for c in cores))


def _decision(name: str, config: dict[str, Any]) -> str:
    table = config["experiment"][name]
    return f"| {name} | {table['question']} | {table.get('decision', 'open')} |"
