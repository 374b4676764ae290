"""The four MRI sequences, and how they are recognised in the names of files and folders.

The rules are data: the upload page gets them by `name_rules` and sorts files before they are sent.
They are used as regular expressions of Python and of JavaScript, so they keep to what both know.
"""

import re
from collections.abc import Container, Iterable, Sequence
from typing import Any

from model.errors import CaseError

MODALITIES = ("flair", "t1", "t1ce", "t2")
TITLES = {"flair": "FLAIR", "t1": "T1", "t1ce": "T1ce", "t2": "T2"}
MASK = "seg"
# Sequences that a case may lack: training shows the network slices without one of them.
MOST_MISSING = 1

# Makes words of a name in lower case: only a `*` after T2 and a `+`, which begins a word, mean something.
_SPELLINGS = ((r"t2\*", "t2star"), (r"\+", " +"), (r"[^a-z0-9+]+", " "))
# Rewrites of names, applied in this order, to words between single spaces; a `+` begins a word.
_CONTRAST = r"ce|gd|gad|postgd|postcontrast|contrast|km|\+c|gadolinium|enhanced"
_REWRITES = (
    # The target of a registration is not the sequence: `flair_to_t1`, `space-T1w_FLAIR`.
    (r" (?:to|onto|in|on|space) (?:t1ce|t1c|t1gd|t1w?|t2w?|t2f|flair)(?= )", ""),
    (r" c \+(?= )", " +c"),
    (rf" (?:pre|non|no|without|wo) (?:{_CONTRAST})(?= )", " native"),
    # A FLAIR that is weighted to T1.
    (r" (t1w?) flair(?= )", r" \1"),
    # Before a T1, `c` and `post` may belong to a patient or session (`ses-post_T1w`).
    (rf" (?:{_CONTRAST}) (?:t1w?|mprage|bravo)(?= )", " t1ce"),
    (
        r" (?:t1w?|mprage|bravo)(?: (?!(?:t1|t2|flair|native|pre|seg|mask|label)[^ ]* )[^ ]+){0,3}?"
        rf" (?:{_CONTRAST}|post)(?= )",
        " t1ce",
    ),
    (r" (?:t1w?|mprage|bravo) c(?= )", " t1ce"),
)
# First match wins: contrast and FLAIR before plain T1 and T2. So `t1` is not found in `patient12` or
# `t1ce`. Sources: BraTS 2012-2021 and 2023 naming, BIDS suffixes (FLAIR, T1w, T2w, ce-gadolinium) and
# common series descriptions of scanners.
_WORDS = (
    (MASK, r"seg|mask|label|labels|segmentation"),
    ("flair", r"flair|t2f|t2flair|t2 flair|tirm|dark fluid"),
    ("t1ce", r"t1ce|t1c|t1gd|t1km|t1post|t1contrast|t1wce|ce gadolinium"),
    ("t1", r"t1|t1n|t1w|t1 native|t1pre|mprage|bravo"),
    ("t2", r"t2|t2w|t2 tse|t2tse"),
)
_PATTERNS = tuple((key, re.compile(rf"(?:^| )(?:{words})(?: |$)")) for key, words in _WORDS)
# Other sequences, whatever else the name contains.
_OTHERS = re.compile(
    r" (?:t2 star|t2star|swi|dwi|adc|dti|bold|fmri|asl|tof|mra|pwi|subtraction"
    r"|t[12]w? ?map|t1[a-z]* sub(?= $))(?= )"
)
# Of names in any case.
SUFFIX = re.compile(r"(\.nii|\.gz)+$", re.IGNORECASE)


def name_rules() -> dict[str, Any]:
    """Return the sequences and the rules for names as data that can be written as JSON.

    `spellings` and `rewrites` are pairs of a pattern and its replacement, `words` pairs of a sequence
    (or the mask) and its pattern. Replacements name groups as Python does: `\\1`.
    """
    return {
        "modalities": list(MODALITIES),
        "titles": TITLES,
        "mask": MASK,
        "most_missing": MOST_MISSING,
        "suffix": SUFFIX.pattern,
        "spellings": [list(pair) for pair in _SPELLINGS],
        "rewrites": [list(pair) for pair in _REWRITES],
        "words": [[key, pattern.pattern] for key, pattern in _PATTERNS],
        "others": _OTHERS.pattern,
    }


def guess_modality(path: str) -> str | None:
    """Return the modality in a file's name, `"seg"` for a mask, or None.

    The rightmost words count most: in `T1_study_t2.nii.gz` that is T2.
    """
    text = _words_of(path)
    words = text.split()
    for start in range(len(words) - 1, -1, -1):
        # The word with up to one before it: `t2 flair` is one name.
        for part in (" ".join(words[max(start - 1, 0) : start + 1]), words[start]):
            if found := _match(part):
                return None if found != MASK and _OTHERS.search(text) else found
    return None


def guess_modalities(paths: Sequence[str]) -> list[str | None]:
    """Return what `guess_modality` says of each file of one patient, or else of its folder.

    The folder counts if no file name in it contains a sequence, and no file name elsewhere the same one:
    `FLAIR/scan.nii`.
    """
    guesses = [guess_modality(path) for path in paths]
    folders = [path.replace("\\", "/").rpartition("/")[0] for path in paths]
    named = set(guesses)
    of_many = {
        folder for folder, guess in zip(folders, guesses, strict=True) if guess in MODALITIES
    }
    for place, (path, folder) in enumerate(zip(paths, folders, strict=True)):
        silent = guesses[place] is None and not _OTHERS.search(_words_of(path))
        if silent and folder not in of_many:
            by_folder = guess_modality(folder)
            guesses[place] = None if by_folder in named else by_folder
    return guesses


def _words_of(path: str) -> str:
    """Return the words of a file's name in lower case, rewritten, each between spaces."""
    stem = SUFFIX.sub("", path.lower().replace("\\", "/").rsplit("/", 1)[-1])
    for pattern, replacement in _SPELLINGS:
        stem = re.sub(pattern, replacement, stem)
    text = f" {' '.join(stem.split())} "
    for pattern, replacement in _REWRITES:
        text = re.sub(pattern, replacement, text)
    return text


def _match(text: str) -> str | None:
    return next((key for key, pattern in _PATTERNS if pattern.search(text)), None)


def find_modalities(paths: Iterable[str], most_missing: int = MOST_MISSING) -> dict[str, str]:
    """Assign the files of one patient to modalities; masks and unrecognised files are left out.

    Raises CaseError `duplicate_modality` when two files claim one modality and `missing_modality`
    when more than `most_missing` have none.
    """
    found: dict[str, str] = {}
    names = list(paths)
    for name, modality in zip(names, guess_modalities(names), strict=True):
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
