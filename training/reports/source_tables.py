"""The model card's scores by source of the patients, beside those of an earlier model."""

from collections import Counter

from training.data.split import SOURCE_TITLES, Patient
from training.reports.card_tables import table
from training.scoring.by_source import Summary, lesion_counts, names_by_source, summarise
from training.scoring.expected import rank_correlation, warned
from training.scoring.lesion_wise import LESION_REGIONS
from training.scoring.scores import SHORT

# What the scored model and the one beside it are called.
THIS, EARLIER = "this", "earlier"
PART_TITLES = {
    "train": "all stages",
    "added": "last stage",
    "slices": "last stage, single slices",
    "test": "tested",
}


def sources_table(result: dict, patients: dict[str, Patient]) -> str:
    """Return mean Dice, its interval and the median by source, region and model."""
    rows = []
    for source, model, cases in scored(result, patients):
        found = summarise(cases)
        rows.append((source, str(len(cases)), model, *[cell(found[short]) for short in SHORT]))
    return table(("source", "patients", "model", *SHORT), rows)


def lesions_table(result: dict, patients: dict[str, Patient]) -> str:
    """Return lesion-wise Dice, and the lesions missed and false, by source, region and model."""
    rows = []
    for source, model, cases in scored(result, patients):
        found = summarise(cases)
        dice = [cell(found[f"lesion-wise {short}"]) for short in LESION_REGIONS]
        counts = [
            "/".join(map(str, lesion_counts(cases, key).values()))
            for key in ("lesions", "missed", "false")
        ]
        rows.append((source, model, *dice, *counts))
    titles = [f"{key} {'/'.join(LESION_REGIONS)}" for key in ("lesions", "missed", "false")]
    return table(("source", "model", *LESION_REGIONS, *titles), rows)


def patients_table(patients: dict[str, Patient]) -> str:
    """Return how many patients of each source are in each part of the split."""
    rows = []
    for source, title in SOURCE_TITLES.items():
        parts = Counter(one.part for one in set(patients.values()) if one.source == source)
        rows.append((title, *[str(parts[part]) for part in PART_TITLES]))
    return table(("source", *PART_TITLES.values()), rows)


def expected_text(cases: list[dict]) -> str:
    """Say how well the Dice that the model expects ranks the cases, and which it warns of."""
    ranks = [f"{rank:.2f} in {short}" for short, rank in rank_correlation(cases).items()]
    flagged, found, worst = warned(cases)
    ranked = (
        f"Spearman's rank correlation with the true Dice is {', '.join(ranks)}. " if ranks else ""
    )
    return (
        f"{ranked}It warns of {flagged} of the {len(cases)} patients, {found} of the {worst} with the "
        "lowest mean Dice of ET, TC and WT among them."
    )


def scored(result: dict, patients: dict[str, Patient]) -> list[tuple[str, str, list[dict]]]:
    """Return source, model and scores of its cases, for each source and each model."""
    models = [(THIS, result), *[(EARLIER, earlier) for earlier in result.get("beside", [])]]
    return [
        (source, model, [one["cases"][name] for name in names])
        for source, names in names_by_source(result["cases"], patients).items()
        for model, one in models
    ]


def earlier_text(result: dict) -> str:
    """Say which model is scored beside this one; nothing without one."""
    return " ".join(
        f"*{EARLIER.capitalize()}* is version {earlier['model']['version']} with the weights "
        f"{' and '.join(weights[:12] for weights in earlier['model']['weights'])}, on the same patients."
        for earlier in result.get("beside", [])
    )


def cell(found: Summary) -> str:
    """Return mean, its interval and the median: "0.726 (0.55 to 0.87), 0.92"."""
    low, high = found.mean_interval
    return f"{found.mean:.3f} ({low:.2f} to {high:.2f}), {found.median:.2f}"
