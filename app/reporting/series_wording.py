"""What is said of a series of examinations. Calculations, no diagnosis."""

from collections.abc import Sequence

from app.analysis.record import CaseRecord, MaskInfo
from app.analysis.response import CONFIRMED_DAYS, CRITERIA, Assessment

CATEGORIES = {
    "CR": "complete response",
    "PR": "partial response",
    "SD": "stable disease",
    "PD": "progressive disease",
    "NE": "not evaluable",
}
REASONS = {
    "new_lesion": "a new enhancing lesion was marked",
    "growth": "the growth since the nadir reaches the threshold",
    "vanished": "nothing enhances",
    "shrinkage": "the decrease since the baseline reaches the threshold",
    "between": "neither threshold is reached",
    "not_measurable": "no lesion was measurable at the baseline",
    "unknown": "a value is not known",
}
NO_DIAGNOSIS = (
    "The categories are calculated from the measured size of enhancing tumour alone. They are no diagnosis and no "
    "assessment of the patient: clinical state, corticosteroids, tumour that does not enhance and a confirming "
    "examination are not considered."
)
PRODUCT = "The product is that of the largest enhancing lesion of each examination; the criteria add up several lesions."
BASELINE = (
    "The baseline is the first examination unless another one was chosen; RANO 2.0 takes the first MRI after "
    "radiotherapy."
)
SOURCES = "RANO 2010: Wen et al., J Clin Oncol 2010; 28:1963. RANO 2.0: Wen et al., J Clin Oncol 2023; 41:5187."


def thresholds() -> list[str]:
    """Return what the categories follow from, a sentence for each set of criteria."""
    return [
        f"{one.title}: PD from {one.growth_percent:g} % above the nadir, PR from {one.shrinkage_percent:g} % below the "
        f"baseline, CR where nothing enhances; PD also with {'any' if one.any_new_lesion else 'a measurable'} new "
        "lesion."
        for one in CRITERIA
    ]


def category(found: Assessment) -> str:
    """Return what a category means, and what it follows from."""
    text = f"{CATEGORIES[found.category]} by size: {REASONS[found.reason]}"
    if found.confirmed is None:
        return text
    done = "held" if found.confirmed else "not held"
    return f"{text}; {done} for {CONFIRMED_DAYS} days"


def notes(cases: Sequence[tuple[CaseRecord, MaskInfo]], undated: bool) -> list[str]:
    """Return what a reader of a series has to know.

    cases : record and mask of each examination ; undated : whether the date of one is not known
    """
    found = [NO_DIAGNOSIS, *thresholds(), PRODUCT, BASELINE, SOURCES]
    if undated:
        found.append("Not all dates are known: intervals are missing, and the order may be wrong.")
    if len({record.model.checksum for record, _ in cases}) > 1:
        found.append("The cases were segmented by different models.")
    if any(mask.by_hand for _, mask in cases):
        found.append("Some masks were corrected by hand.")
    if any(record.missing_modalities for record, _ in cases):
        found.append("Some cases lack a sequence.")
    return found
