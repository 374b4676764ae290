"""Scores by source of the patients: means, medians, and how far other patients might move them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from training.data.labelled import patient_of
from training.data.split import SOURCE_TITLES, Patient
from training.scoring.lesion_wise import LESION_REGIONS
from training.scoring.scores import SHORT

# Samples of patients that intervals are taken from, and the share of them that lies inside.
RESAMPLES = 10_000
COVERED_PERCENT = 95.0
OTHER = "other"
ALL = "all"


@dataclass(frozen=True)
class Summary:
    """Mean and median over patients, and the bootstrap interval of each that holds 95 %."""

    mean: float
    median: float
    mean_interval: tuple[float, float]
    median_interval: tuple[float, float]


def summary(values: Sequence[float], seed: int = 0) -> Summary:
    """Return the summary of one score over patients (Efron, 1979: percentiles of resampled patients)."""
    scores = np.asarray(values, float)
    rng = np.random.default_rng(seed)
    samples = scores[rng.integers(len(scores), size=(RESAMPLES, len(scores)))]
    tail = (100 - COVERED_PERCENT) / 2
    intervals = [
        tuple(np.percentile(of(samples, axis=1), (tail, 100 - tail)).tolist())
        for of in (np.mean, np.median)
    ]
    return Summary(float(scores.mean()), float(np.median(scores)), *intervals)


def names_by_source(names: Iterable[str], patients: dict[str, Patient]) -> dict[str, list[str]]:
    """Return the names of cases by the title of their source, and all of them last."""
    found: dict[str, list[str]] = {title: [] for title in (*SOURCE_TITLES.values(), OTHER)}
    for name in names:
        patient = patients.get(patient_of(name))
        found[SOURCE_TITLES[patient.source] if patient else OTHER].append(name)
    found[ALL] = sum(found.values(), [])
    return {title: group for title, group in found.items() if group}


def summarise(cases: list[dict]) -> dict[str, Summary]:
    """Return the summary of Dice by region, and of lesion-wise Dice under "lesion-wise" and its name."""
    scores = {short: [case["regions"][short]["dice"] for case in cases] for short in SHORT}
    for short in LESION_REGIONS:
        scores[f"lesion-wise {short}"] = [case["lesion_wise"][short]["dice"] for case in cases]
    return {name: summary(values) for name, values in scores.items()}


def lesion_counts(cases: list[dict], key: str) -> dict[str, int]:
    """Return the sum over cases of "lesions", "missed" or "false" by region."""
    return {
        short: sum(case["lesion_wise"][short][key] for case in cases) for short in LESION_REGIONS
    }
