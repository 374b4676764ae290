"""Which T1 of a study were acquired with contrast agent: by words, headers, and times."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from model.io.dicom.series import Series
from model.io.modalities import contrast_in
from model.io.sequence_evidence import Evidence, Guess

# Contents of Contrast/Bolus Agent that name none.
NO_AGENTS = {"", "NONE", "NO", "N", "NIL", "NULL", "N/A", "NA", "WITHOUT", "OHNE", "SANS", "0", "NATIVE"}  # fmt: skip
# Two T1 are of the same kind if repetition and echo time differ by less than this share.
SAME_SHARE = 0.2
# Series that begin this near to each other are several reconstructions of one acquisition.
AT_ONCE = timedelta(seconds=30)
SURE, LIKELY, WEAK, OPEN = 0.95, 0.85, 0.6, 0.4


def with_contrast(
    candidates: Sequence[Series], guesses: Mapping[str, Guess], study: Sequence[Series]
) -> dict[str, Guess]:
    """Return the guesses with each T1 told with (`t1ce`) or without contrast agent (`t1`).

    study : all series, also those left out: the perfusion among them tells when the agent was given

    An agent in the header of a T1 decides unless all T1 name it: some scanners write it into every series once
    it has been registered. Then times decide, and last the order of two.
    """
    t1 = [one for one in candidates if guesses[one.key].modality == "t1"]
    everywhere = len(t1) > 1 and all(has_agent(one) for one in t1)
    injected = _injection(study)
    decided = {one.key: _decide(one, everywhere, injected) for one in t1}
    decided |= _by_order([one for one in t1 if decided[one.key][0] is None], t1, decided)
    return dict(guesses) | {
        one.key: _told(guesses[one.key], *decided[one.key]) for one in t1
    }  # fmt: skip


Decision = tuple[bool | None, Evidence, float]


def has_agent(series: Series) -> bool:
    """Say whether the header names a contrast agent."""
    return series.scan.agent.strip().upper() not in NO_AGENTS


def _told(known: Guess, contrast: bool | None, evidence: Evidence, confidence: float) -> Guess:
    return replace(
        known,
        modality="t1ce" if contrast else "t1",
        contrast=contrast,
        evidence=(*known.evidence, evidence),
        confidence=round(min(known.confidence, confidence), 2),
    )


def _decide(series: Series, everywhere: bool, injected: tuple[datetime, str] | None) -> Decision:
    word = contrast_in(series.description)
    word = contrast_in(series.protocol) if word is None else word
    given = series.scan.agent_time
    if has_agent(series) and given and series.time and not everywhere:
        return (True, Evidence("agent"), SURE)
    if word is not None:
        return (word, Evidence("contrast_word" if word else "no_contrast_word"), SURE)
    if has_agent(series) and not everywhere:
        return (True, Evidence("agent"), LIKELY)
    if injected and series.time:
        when, code = injected
        after = series.time >= when
        return (after, Evidence(code if after else "before_injection"), LIKELY)
    return (None, Evidence("alone"), OPEN)


def _injection(study: Sequence[Series]) -> tuple[datetime, str] | None:
    """Return when contrast agent was given, and how that is known."""
    given = [one.scan.agent_time for one in study if one.scan.agent_time and has_agent(one)]
    if given:
        return min(given), "after_injection"
    first_pass = [
        one.time
        for one in study
        if one.time and {"perfusion", "time_series"} & {reason.code for reason in one.left_out}
    ]
    return (min(first_pass), "after_perfusion") if first_pass else None


def _by_order(
    open_ones: Sequence[Series], t1: Sequence[Series], decided: Mapping[str, Decision]
) -> dict[str, Decision]:
    """Return decisions for T1 of which only times tell, beside the others."""
    if any(decided[one.key][0] for one in t1):
        # Another one is known to have contrast agent, and this one names none.
        return {one.key: (False, Evidence("no_agent"), WEAK) for one in open_ones}
    found: dict[str, Decision] = {}
    timed = [one for one in t1 if one.time and not one.computed]
    for one in open_ones:
        if one not in timed:
            continue
        same = [other for other in timed if _same_kind(one, other)]
        pool, kind, sure = (same, "same_kind", LIKELY) if len(same) > 1 else (timed, "t1", WEAK)
        first, last = (limit(other.time for other in pool) for limit in (min, max))
        if last - first > AT_ONCE:
            later = one.time - first > AT_ONCE
            code = f"{kind}_{'later' if later else 'earlier'}"
            found[one.key] = (later, Evidence(code), sure)
    return found


def _same_kind(one: Series, other: Series) -> bool:
    """Say whether two T1 were scanned alike, so that contrast agent may be all that differs."""
    pairs = ((one.scan.tr_ms, other.scan.tr_ms), (one.scan.te_ms, other.scan.te_ms))
    if any(a is None or b is None for a, b in pairs):
        return False
    close = all(abs(a - b) <= SAME_SHARE * max(a, b) for a, b in pairs)
    return close and one.scan.dimensions == other.scan.dimensions and one.plane == other.plane
