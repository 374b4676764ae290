"""The page of all experiments, `docs/experiments.md`, written from their results."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from training.scoring.results import Result, read_results

PAGE = Path(__file__).parents[2] / "docs" / "experiments.md"
SHOWN = ("WT", "TC", "ET", "ED", "NCR")
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
    "| slices/s | s/patient |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)
DECISIONS_HEAD = (
    "## Questions and decisions\n\n| experiment | question | decision |\n|---|---|---|\n"
)


def write_page(config: dict[str, Any], results: Path, path: Path) -> None:
    """Write the page of every experiment that has a result, in the order of `config`.

    `config` is the content of `experiments.toml`, `results` the folder of the tables of scores.
    """
    path.write_text(page_text(config, read_results(results)))


def page_text(config: dict[str, Any], results: dict[str, Result]) -> str:
    """Return the page in Markdown."""
    found = {name: results[name] for name in config["experiment"] if name in results}
    rows = [_row(name, config["experiment"][name], found) for name in found]
    sections = [INTRODUCTION.format(about=config["about"].strip())]
    sections.append(f"## Experiments\n\n{HEAD}\n" + "\n".join(rows) + "\n")
    sections.append(DECISIONS_HEAD + "\n".join(_decision(n, config) for n in found) + "\n")
    return "\n".join(sections)


def dice_table(result: Result) -> dict[str, np.ndarray]:
    """Return Dice of the regions in `SHOWN`, and their mean, (6,), by case."""
    table = {}
    for case, scores in result.cases.items():
        values = [scores["regions"][short]["dice"] for short in SHOWN]
        table[case] = np.array([*values, np.mean(values)])
    return table


def compared(result: Result, reference: Result) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean difference in Dice over common patients, and its standard error, (6,) each.

    With one patient the error is NaN.
    """
    one, other = dice_table(result), dice_table(reference)
    common = sorted(set(one) & set(other))
    differences = np.array([one[case] - other[case] for case in common])
    if len(common) < 2:
        return differences.mean(axis=0), np.full(differences.shape[1], np.nan)
    return differences.mean(axis=0), differences.std(axis=0, ddof=1) / np.sqrt(len(common))


def _row(name: str, table: dict, found: dict[str, Result]) -> str:
    result, against = found[name], table.get("against", "base")
    means = np.mean(list(dice_table(result).values()), axis=0)
    cells = [f"{mean:.3f}" for mean in means]
    if against != name and against in found and set(result.cases) & set(found[against].cases):
        change, error = compared(result, found[against])
        cells = [
            f"{cell} {c:+.3f} ± {e:.3f}" for cell, c, e in zip(cells, change, error, strict=True)
        ]
    else:
        against = ""
    cases = result.cases.values()
    seconds = np.mean([case["seconds"]["read"] + case["seconds"]["segment"] for case in cases])
    columns = [name, against, *cells, *_lesion_wise(cases)]
    columns += [len(cases), result.minutes, result.slices_per_s, f"{seconds:.1f}"]
    return "| " + " | ".join(map(str, columns)) + " |"


def _lesion_wise(cases: Iterable[dict]) -> tuple[str, str]:
    """Return mean Dice and the number of false tumour cores; empty where they were not scored."""
    cores = [case["lesion_wise"]["TC"] for case in cases if "lesion_wise" in case]
    if not cores:
        return "", ""
    return f"{np.mean([core['dice'] for core in cores]):.3f}", str(sum(c["false"] for c in cores))


def _decision(name: str, config: dict[str, Any]) -> str:
    table = config["experiment"][name]
    return f"| {name} | {table['question']} | {table.get('decision', 'open')} |"
