"""Why a series is taken for a sequence: codes with values; the sentences are made last."""

from dataclasses import dataclass, field

from model.io.dicom.headers import Scan
from model.io.modalities import TITLES

EVIDENCE = {
    "order": "Its place in the file, where the order is FLAIR, T1, T1ce, T2. Nothing in the file says so: compare the pictures.",
    "physics": "{0}.",
    "named_contrast": "The header calls its contrast {0}.",
    "description": "Its description says {0}.",
    "description_differs": "Its description says {0}, though.",
    "contrast_word": "Its description says that contrast agent was given.",
    "no_contrast_word": "Its description says that no contrast agent was given.",
    "agent": "The header names a contrast agent.",
    "no_agent": "The header names no contrast agent.",
    "after_injection": "It was acquired after the injection.",
    "before_injection": "It was acquired before the injection.",
    "after_perfusion": "It was acquired after a perfusion series, which needs an injection.",
    "same_kind_later": "It is the later of two T1 of the same kind.",
    "same_kind_earlier": "It is the earlier of two T1 of the same kind.",
    "t1_later": "It is the later of two T1.",
    "t1_earlier": "It is the earlier of two T1.",
    "alone": "Nothing says whether contrast agent was given.",
    "image": "Beside the other series it looks like {0}.",
}


@dataclass(frozen=True)
class Evidence:
    """One thing that speaks for a guess: programs go by its code, people read its text."""

    code: str
    values: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return EVIDENCE[self.code].format(*self.values)


@dataclass(frozen=True)
class Guess:
    """Which sequence a series is taken for, None for none, how sure that is, 0 to 1, and why.

    contrast : whether a T1 is one with contrast agent, None for other sequences and where nothing says so
    """

    modality: str | None = None
    confidence: float = 0.0
    evidence: tuple[Evidence, ...] = field(default=())
    contrast: bool | None = None

    @property
    def text(self) -> str:
        return " ".join(one.text for one in self.evidence)


def physics_evidence(scan: Scan) -> Evidence:
    """Return the values that physics went by."""
    named = {"TR": scan.tr_ms, "TE": scan.te_ms, "TI": scan.ti_ms}
    parts = [f"{name} {value:g} ms" for name, value in named.items() if value]
    parts += [f"flip angle {scan.flip_deg:g}°"] if scan.flip_deg else []
    parts += ["/".join(scan.sequence)] if scan.sequence else []
    return Evidence("physics", (", ".join(parts),))


def title(modality: str) -> str:
    return TITLES[modality]
