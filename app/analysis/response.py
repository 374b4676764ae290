"""Response categories by measured size alone, after RANO 2010 and RANO 2.0: pure arithmetic.

RANO 2010: Wen et al., J Clin Oncol 2010; 28:1963-1972. The product of the diameters: progression from 25 % above
the nadir, partial response from 50 % below the baseline.
RANO 2.0: Wen et al., J Clin Oncol 2023; 41:5187-5199. The same by the product, or by the volume with 40 % and 65 %. The
baseline is the first MRI after radiotherapy, where there was one, and only measurable new lesions count.

The thresholds of 2010 were compared with a published table of the criteria (Neurooncol Adv 2023; 5:vdad118, table 1), those
of RANO 2.0 with an independent implementation of it (RANO2.0-assist, cai4cai, King's College London): 25 % and 50 % of
the product, 40 % and 65 % of the volume, and a new measurable lesion is progression.

What the criteria ask for besides is not known here: clinical state, corticosteroids, lesions that do not enhance, and
the second MRI that confirms. A category is the result of a calculation, and no diagnosis.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from app.analysis.comparison import change

Category = Literal["CR", "PR", "SD", "PD", "NE"]
Reason = Literal[
    "new_lesion", "growth", "vanished", "shrinkage", "between", "not_measurable", "unknown"
]
Quantity = Literal["product_mm2", "enhancing"]

# Complete and partial responses have to last this long.
CONFIRMED_DAYS = 28
# A change this close to a threshold has reached it: measured values are rounded.
TOLERANCE_PERCENT = 1e-6
# From the smallest tumour to the largest.
GOOD = ("CR", "PR")


@dataclass(frozen=True)
class Criteria:
    """One set of thresholds.

    quantity : what is compared, the product of the diameters in mm2 or the enhancing volume in mL
    growth_percent : progression from this much above the nadir on
    shrinkage_percent : partial response from this much below the baseline on
    any_new_lesion : whether every new lesion is progression, or only a measurable one
    """

    key: str
    title: str
    quantity: Quantity
    growth_percent: float
    shrinkage_percent: float
    any_new_lesion: bool


CRITERIA = (
    Criteria("rano_2010", "RANO 2010", "product_mm2", 25.0, 50.0, any_new_lesion=True),
    Criteria("rano_2_product", "RANO 2.0, diameters", "product_mm2", 25.0, 50.0, False),
    Criteria("rano_2_volume", "RANO 2.0, volume", "enhancing", 40.0, 65.0, False),
)


@dataclass(frozen=True)
class Sized:
    """What is compared of one examination.

    value : in mm2 or mL, None where it is not known; measurable : by the criteria, see `rano`
    new_lesions : how many, None where nobody has looked; of them measurable : `new_measurable`
    """

    value: float | None
    measurable: bool
    new_lesions: int | None = None
    new_measurable: int | None = None
    day: date | None = None


@dataclass(frozen=True)
class Assessment:
    """The category of one examination after the baseline, and what it follows from.

    nadir : index of the smallest value from the baseline to the examination before
    confirmed : of a response, whether it lasted for 28 days; None where that cannot be told, or is not asked
    """

    category: Category
    reason: Reason
    from_baseline_percent: float | None
    from_nadir_percent: float | None
    nadir: int | None
    confirmed: bool | None = None


def assess(points: Sequence[Sized], baseline: int, criteria: Criteria) -> list[Assessment | None]:
    """Return the category of each examination, None for the baseline and those before it.

    points : in the order of their dates
    """
    found = [
        _assessed(points, baseline, at, criteria) if at > baseline else None
        for at in range(len(points))
    ]
    return [
        one and replace(one, confirmed=_confirmed(points, found, at))
        for at, one in enumerate(found)
    ]


def nadir_before(values: Sequence[float | None], baseline: int, at: int) -> int | None:
    """Return the index of the first smallest value from the baseline to the one before `at`."""
    known = [i for i in range(baseline, at) if values[i] is not None]
    return min(known, key=lambda i: values[i]) if known else None


def _assessed(points: Sequence[Sized], baseline: int, at: int, criteria: Criteria) -> Assessment:
    values = [point.value for point in points]
    now, first = points[at], points[baseline]
    nadir = nadir_before(values, baseline, at)
    lowest = None if nadir is None else values[nadir]
    found = _category(now, first, lowest, criteria)
    since = [change(before, now.value).percent for before in (first.value, lowest)]
    return Assessment(*found, *since, nadir)


def _category(
    now: Sized, first: Sized, lowest: float | None, criteria: Criteria
) -> tuple[Category, Reason]:
    new = now.new_lesions if criteria.any_new_lesion else now.new_measurable
    if new:
        return "PD", "new_lesion"
    if now.value is None or first.value is None or lowest is None:
        return "NE", "unknown"
    if now.measurable and _above(now.value, lowest, criteria.growth_percent):
        return "PD", "growth"
    if not first.measurable:
        return "NE", "not_measurable"
    if now.value == 0:
        return "CR", "vanished"
    if 100 * now.value / first.value <= 100 - criteria.shrinkage_percent + TOLERANCE_PERCENT:
        return "PR", "shrinkage"
    return "SD", "between"


def _above(value: float, lowest: float, growth_percent: float) -> bool:
    """Say whether a value has grown by so much; of nothing, any is growth."""
    if lowest == 0:
        return value > 0
    return 100 * (value - lowest) / lowest >= growth_percent - TOLERANCE_PERCENT


def _confirmed(points: Sequence[Sized], found: Sequence[Assessment | None], at: int) -> bool | None:
    """Say whether a response is there without a break until an examination at least 28 days later."""
    if found[at] is None or found[at].category not in GOOD:
        return None
    enough = GOOD[: GOOD.index(found[at].category) + 1]
    for later in range(at + 1, len(points)):
        if found[later].category not in enough:
            return False
        days = (points[at].day, points[later].day)
        if None not in days and (days[1] - days[0]).days >= CONFIRMED_DAYS:
            return True
    return None
