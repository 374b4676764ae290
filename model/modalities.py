"""The four MRI sequences, and how they are recognised in file names."""

import re
from collections.abc import Container, Iterable

from model.errors import CaseError

MODALITIES = ("flair", "t1", "t1ce", "t2")
TITLES = {"flair": "FLAIR", "t1": "T1", "t1ce": "T1ce", "t2": "T2"}
MASK = "seg"
# Sequences that a case may lack: training shows the network slices without one of them.
MOST_MISSING = 1

# First match wins: contrast and FLAIR before plain T1 and T2. A word stands between separators, so
# that `t1` is not found in `patient12` or `t1ce`. Sources: BraTS 2012-2021 and 2023 naming, BIDS
# suffixes (FLAIR, T1w, T2w, ce-gadolinium) and common series descriptions of scanners. Before a T1,
# `c` and `post` may as well speak of a patient or a session (`ses-post_T1w`): they count behind one.
_CONTRAST = r"ce|gd|gad|postcontrast|contrast|km|\+c|gadolinium|enhanced"
_WORDS = (
    (MASK, r"seg|mask|label|labels|segmentation"),
    ("flair", r"flair|t2f|t2flair|t2 flair|tirm|dark fluid"),
    (
        "t1ce",
        r"t1ce|t1c|t1gd|t1km|t1post|t1contrast|t1wce|ce gadolinium"
        rf"|(?:t1w?|mprage|bravo) (?:{_CONTRAST}|c|post)|(?:{_CONTRAST}) (?:t1w?|mprage|bravo)",
    ),
    ("t1", r"t1|t1n|t1w|t1 native|t1pre|mprage|bravo"),
    ("t2", r"t2|t2w|t2 tse|t2tse"),
)
_PATTERNS = tuple((key, re.compile(rf"(?:^| )(?:{words})(?: |$)")) for key, words in _WORDS)
_SUFFIX = re.compile(r"(\.nii|\.gz)+$")


def guess_modality(file_name: str) -> str | None:
    """Return the modality that a file name speaks of, `"seg"` for a mask, or None.

    The rightmost words count most: in `T1_study/patient_t2.nii.gz` that is T2.
    """
    stem = _SUFFIX.sub("", file_name.lower().replace("\\", "/").rsplit("/", 1)[-1])
    words = re.sub(r"[^a-z0-9+]+", " ", stem).split()
    for start in range(len(words) - 1, -1, -1):
        # The word with up to one before it: `t1 ce` is one name, `t2 flair` another.
        for text in (" ".join(words[max(start - 1, 0) : start + 1]), words[start]):
            if found := _match(text):
                return found
    return None


def _match(text: str) -> str | None:
    return next((key for key, pattern in _PATTERNS if pattern.search(text)), None)


def find_modalities(names: Iterable[str], most_missing: int = MOST_MISSING) -> dict[str, str]:
    """Assign file names to modalities; masks and unrecognised files are left out.

    Raises CaseError `duplicate_modality` when two files claim one modality and `missing_modality`
    when more than `most_missing` have none.
    """
    found: dict[str, str] = {}
    for name in names:
        modality = guess_modality(name)
        if modality in (None, MASK):
            continue
        if modality in found:
            raise CaseError(
                "duplicate_modality",
                f"Two files look like {TITLES[modality]}: {found[modality]} and {name}.",
                "Keep one of them, or say which file is which sequence.",
                name,
            )
        found[modality] = name
    require_modalities(found, most_missing)
    return {modality: found[modality] for modality in MODALITIES if modality in found}


def missing_modalities(present: Container[str]) -> tuple[str, ...]:
    """Return the modalities that are not `present`, in the order of MODALITIES."""
    return tuple(modality for modality in MODALITIES if modality not in present)


def require_modalities(present: Container[str], most_missing: int = MOST_MISSING) -> None:
    """Raise CaseError `missing_modality` when more than `most_missing` are not `present`."""
    missing = missing_modalities(present)
    if len(missing) > most_missing:
        raise CaseError(
            "missing_modality",
            f"No file was recognised as {', '.join(TITLES[modality] for modality in missing)}.",
            f"At least {len(MODALITIES) - most_missing} of the {len(MODALITIES)} sequences FLAIR, "
            "T1, T1ce and T2 are needed. Name them like patient_flair.nii.gz, or say which file "
            "is which sequence.",
        )
