"""The examinations of one patient in their order: what changed since the one before, the baseline and the nadir."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from app.analysis.comparison import Change, change, diameter
from app.analysis.measurements import VOLUME_KEYS, Measurements
from app.analysis.response import CRITERIA, Assessment, Sized, assess, nadir_before

# What is followed: volumes in mL by region, and the product of the diameters in mm2.
QUANTITIES = (*VOLUME_KEYS, "product_mm2")


@dataclass(frozen=True)
class NewLesions:
    """Enhancing lesions where the examination before had no tumour: how many, how many of them measurable, and mL."""

    count: int
    measurable: int
    ml: float


@dataclass(frozen=True)
class Examination:
    """What is known of one examination.

    study_date : None where nobody knows it; session : the label of a BIDS session, or ""
    new_lesions : None where the examination before was not registered to it
    """

    id: str
    uploaded: datetime
    measurements: Measurements
    study_date: date | None = None
    session: str = ""
    new_lesions: NewLesions | None = None

    @property
    def values(self) -> dict[str, float | None]:
        """The quantities that are followed, by key."""
        volumes = self.measurements.volumes_ml
        return dict(volumes.items()) | {"product_mm2": diameter(self.measurements, "product_mm2")}

    @property
    def measurable(self) -> bool:
        """Whether the largest enhancing lesion can be measured by RANO."""
        return bool(self.measurements.rano and self.measurements.rano.measurable)


@dataclass(frozen=True)
class Followed:
    """One examination in its series. Changes are by quantity, None for what there is nothing to compare with.

    days : since the baseline, None where one of the dates is not known
    nadirs : by quantity, index of the smallest value from the baseline to the examination before
    categories : by key of the criteria
    """

    id: str
    values: dict[str, float | None]
    measurable: bool
    days: int | None
    since_prior: dict[str, Change] | None
    since_baseline: dict[str, Change] | None
    since_nadir: dict[str, Change] | None
    nadirs: dict[str, int | None]
    categories: dict[str, Assessment] | None
    new_lesions: NewLesions | None


def in_order(examinations: Sequence[Examination]) -> list[Examination]:
    """Return examinations, oldest first.

    By the dates of the studies; the label of the session tells where no study has a date, and else the day of the
    upload stands for a date that is not known.
    """
    by_session = all(one.session and not one.study_date for one in examinations)

    def key(one: Examination):
        day = date.min if by_session else one.study_date or one.uploaded.date()
        return day, natural(one.session), one.uploaded

    return sorted(examinations, key=key)


def natural(label: str) -> list[tuple[int, str]]:
    """Return what sorts labels as people do: `2` before `10`."""
    parts = re.findall(r"\d+|\D+", label)
    return [(int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in parts]


def follow(examinations: Sequence[Examination], baseline: int = 0) -> list[Followed]:
    """Return what changed from examination to examination.

    examinations : as `in_order` has them; baseline : the index of the one that others are compared with
    """
    values = [one.values for one in examinations]
    columns = {key: [row[key] for row in values] for key in QUANTITIES}
    categories = {
        criteria.key: assess(_sized(examinations, criteria.quantity), baseline, criteria)
        for criteria in CRITERIA
    }
    return [
        _followed(examinations, values, columns, categories, baseline, at)
        for at in range(len(examinations))
    ]


def _sized(examinations: Sequence[Examination], quantity: str) -> list[Sized]:
    return [
        Sized(
            one.values[quantity],
            one.measurable,
            one.new_lesions and one.new_lesions.count,
            one.new_lesions and one.new_lesions.measurable,
            one.study_date,
        )
        for one in examinations
    ]


def _followed(
    examinations: Sequence[Examination],
    values: Sequence[Mapping[str, float | None]],
    columns: Mapping[str, Sequence[float | None]],
    categories: Mapping[str, Sequence[Assessment | None]],
    baseline: int,
    at: int,
) -> Followed:
    one, first = examinations[at], examinations[baseline]
    days = (one.study_date, first.study_date)
    after = at > baseline
    nadirs = {key: nadir_before(columns[key], baseline, at) for key in QUANTITIES}
    lowest = {key: None if i is None else columns[key][i] for key, i in nadirs.items()}
    return Followed(
        id=one.id,
        values=dict(values[at]),
        measurable=one.measurable,
        days=None if None in days else (days[0] - days[1]).days,
        since_prior=_changes(values[at - 1], values[at]) if at else None,
        since_baseline=_changes(values[baseline], values[at]) if after else None,
        since_nadir=_changes(lowest, values[at]) if after else None,
        nadirs=nadirs,
        categories={key: found[at] for key, found in categories.items()} if after else None,
        new_lesions=one.new_lesions,
    )


def _changes(
    before: Mapping[str, float | None], after: Mapping[str, float | None]
) -> dict[str, Change]:
    return {key: change(before[key], after[key]) for key in QUANTITIES}
