"""The series of a study as a table: facts, guess and reasons of each, for pages, files and programs."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.io.dicom.reasons import Reason
from model.io.dicom.series import Series
from model.io.modalities import TITLES
from model.io.sequence_choice import Choice
from model.io.sequence_evidence import Evidence
from model.planes import Plane


@dataclass(frozen=True)
class SeriesRow:
    """What is known of one series, in values that JSON can hold.

    key : names the series in a choice; shape : columns, rows, slices; spacing_mm : edges of a voxel in that order
    time : when it was acquired, ISO 8601, in the scanner's time zone
    modality : which sequence it is taken for, None for none; confidence : 0 to 1
    left_out : why it is none of the four, or no volume; chosen : whether it is the one that is used for `modality`
    readable : whether it is a volume, so that a person may choose it whatever it was taken for
    """

    key: str
    number: int | None
    description: str
    vendor: str
    plane: Plane | None
    shape: tuple[int, ...]
    thickness_mm: float | None
    spacing_mm: tuple[float, ...] | None
    time: str | None
    tr_ms: float | None
    te_ms: float | None
    ti_ms: float | None
    flip_deg: float | None
    contrast_agent: str
    modality: str | None
    confidence: float
    evidence: tuple[Evidence, ...]
    left_out: tuple[Reason, ...]
    chosen: bool
    readable: bool

    @property
    def text(self) -> str:
        """Why it is used or not, for people."""
        if self.left_out:
            return " ".join(reason.text for reason in self.left_out)
        why = " ".join(one.text for one in self.evidence)
        if self.modality is None:
            return "Nothing says which sequence it is."
        if self.chosen:
            return f"Taken as {TITLES[self.modality]}. {why}"
        return f"Another series is the better {TITLES[self.modality]}. {why}"


def series_table(series: Sequence[Series], choice: Choice) -> list[SeriesRow]:
    """Return a row for each series, in their order."""
    chosen = {one.key for one in choice.chosen.values()}
    return [_row(one, choice, one.key in chosen) for one in series]


def _row(series: Series, choice: Choice, chosen: bool) -> SeriesRow:
    scan, guess = series.scan, choice.guesses[series.key]
    return SeriesRow(
        key=series.key,
        number=series.number,
        description=series.description or series.protocol,
        vendor=series.vendor,
        plane=series.plane,
        shape=series.shape,
        thickness_mm=series.thickness_mm,
        spacing_mm=series.spacing_mm,
        time=series.time.isoformat() if series.time else None,
        tr_ms=scan.tr_ms,
        te_ms=scan.te_ms,
        ti_ms=scan.ti_ms,
        flip_deg=scan.flip_deg,
        contrast_agent=scan.agent,
        modality=guess.modality,
        confidence=guess.confidence,
        evidence=guess.evidence,
        left_out=choice.left_out[series.key],
        chosen=chosen,
        readable=series.grid is not None and not series.problems,
    )
