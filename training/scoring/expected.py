"""Whether the Dice that a model expects of itself tells its better cases from its worse ones."""

import numpy as np
from scipy.stats import spearmanr

from model.quality import REGIONS

# The share of cases with the lowest true Dice that warnings should find.
WORST_SHARE = 0.2
# Fewer cases than this have no ranks worth telling.
FEWEST = 3


def rank_correlation(cases: list[dict]) -> dict[str, float]:
    """Return Spearman's correlation of expected and true Dice by region.

    Of the cases in which the region is marked; regions with few of them are left out.
    """
    found = {}
    for short in REGIONS:
        pairs = [
            (case["expected_dice"][short], case["regions"][short]["dice"])
            for case in cases
            if short in case["expected_dice"]
        ]
        if len(pairs) >= FEWEST:
            found[short] = float(spearmanr(*zip(*pairs, strict=True)).statistic)
    return found


def warned(cases: list[dict]) -> tuple[int, int, int]:
    """Return how many cases the model warns of, how many of the worst are among them, and the worst.

    The worst fifth is that with the lowest mean Dice of the regions that the model expects it of.
    """
    dice = [np.mean([case["regions"][short]["dice"] for short in REGIONS]) for case in cases]
    worst = np.argsort(dice, kind="stable")[: max(1, round(WORST_SHARE * len(cases)))]
    flags = [case["look_closely"] for case in cases]
    return sum(flags), sum(flags[index] for index in worst), len(worst)
