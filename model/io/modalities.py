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
_SPELLINGS = (
    # Letters with marks, also where the mark is a character of its own, as in names from macOS.
    ("[\u0300-\u036f]", ""),
    *(("[\u00e0-\u00e5]", "a"), ("[\u00e8-\u00eb]", "e"), ("[\u00ec-\u00ef\u0131]", "i")),
    *(("[\u00f2-\u00f6]", "o"), ("[\u00f9-\u00fc]", "u"), ("\u00e7", "c"), ("\u00f1", "n")),
    # Without and with contrast agent in Chinese, Japanese, Korean and Russian.
    ("造影前|平扫|平掃|単純|조영 ?전|без[ _-]*контраст[а-я]*", " native "),
    ("造影|增强|增強|増強|조영|контраст[а-я]*", " contrast "),
    # BIDS says so in which space an image lies; SPACE is also a sequence of Siemens.
    (r"(^|_)space-", r"\1to "),
    # `C-` for without contrast; hyphens between words mean nothing.
    (r"(^|[ _.(])(?:c|ce|gd|gad|km|mdc)-(?=[ _.)]|$)", r"\1 native "),
    (r"w/o", "wo"),
    (r"t2\*", "t2star"),
    # Glued to the target of a registration, or to a plane: `flair2t1`, `3DT1`, `T2ax`.
    (r"(flair|t1ce|t1c|t1|t2)2(t1|t2|flair)", r"\1 to \2"),
    (r"(^|[^a-z0-9])(3d|2d|ax|axial|sag|cor|tra)(t1|t2|flair)", r"\1\2 \3"),
    (r"(t1|t2|flair)(3d|2d|ax|axial|sag|cor|tra)(?![a-z0-9])", r"\1 \2"),
    (r"\+", " +"),
    (r"[^a-z0-9+]+", " "),
)
# Words for contrast agents and for images with them, in the languages of Western and Central Europe, and the agents'
# names. Neither `c` nor `post`: before a T1 they may belong to a patient or session (`ses-post_T1w`).
_AFTER = r"contrast|con|gad[a-z]*|gd|c|ce|km|inj[a-z]*|kontrast[a-z]*"
_AGENT = (
    rf"gad[a-z]*|gbca|gdtpa|gddtpa|contrast[a-z]*|kontras[a-z]*|post(?:{_AFTER})|\+(?:c|ce|gd|gad[a-z]*|km)"
    r"|inj|injec[a-z]*|iniez[a-z]*|inyec[a-z]*|enhanced|enhancement"
    r"|dotarem|prohance|magnevist|multihance|omniscan|clariscan|optimark|elucirem|vueway|artirem|primovist|eovist|ablavar"
)
# Short ones, which may be somebody's initials where they do not stand beside the sequence: `KM_001_T1`.
_SHORT = r"ce|cew|gd|km|mkm|ivkm|kmg|mdc|mdk|pdc|enh"
_CONTRAST = rf"{_AGENT}|{_SHORT}"
_PLANE = r"ax|axial|tra|sag|cor|3d|2d|fs|fatsat"
_WITHOUT = (
    r"pre|non|no|not|without|wo|w o|minus|before|ohne|vor|kein|sans|avant|senza|prima|sin|sem|antes|zonder|voor|bez|przed"
    r"|uden|utan|uten|fara"
)
_NATIVE = (
    r"native|nativ|nativo|nativa|nativt|plain|basale|diretto|blanco|unenhanced|nonenhanced|nonenh|kontrastsiz|o km|okm"
    rf"|(?:non|pre|no|un)(?:{_AFTER}|contrasted)"
    r"|(?:wo|without|sans|ohne|senza|sin|sem|zonder)(?:contrast[a-z]*|kontrast[a-z]*|gad[a-z]*|gd|km|mdc|inj[a-z]*)"
)
_T1 = r"t1w?i?|t1 weighted|mprage|mp rage|bravo|fspgr|spgr"
# What a name tells about the treatment, not about contrast: `T1_post_op`.
_TREATMENT = (
    r"op|operative|operation|operatory|surgery|surgical|resection|biopsy|bx|rt|xrt|crt|radiation|radiotherapy|radio|chemo"
    r"|chemotherapy|tx|treatment|treat|therapy|srs|sbrt|gk|gammaknife|tmz|bev|avastin|ictal|processed|processing|proc"
    r"|registration|mortem|[0-9]+ ?(?:d|days?|w|wk|wks|weeks?|m|mo|mos|mth|months?|y|yrs?|years?)"
)
_SEQUENCE = r"t1ce|t1c|t1gd|t1w?|t2w?|t2f|flair"
# Up to five words that neither name a sequence nor say that there is no contrast.
_BETWEEN = r"(?: (?!(?:(?:t1|t2|flair|native|seg|mask|label)[^ ]*|pre) )[^ ]+){0,5}?"
# Rewrites of names, applied in this order, to words between single spaces; a `+` begins a word.
_REWRITES = (
    # The target of a registration is not the sequence: `flair_to_t1`, `space-T1w_FLAIR`, `T1_reg_T1ce`.
    (rf" (?:to|onto|in|on|into) (?:{_SEQUENCE})(?= )", ""),
    (
        rf" ({_SEQUENCE})((?: [^ ]+){{0,8}}?) (?:reg|coreg|registered|coregistered|rigid|aligned|warped|resliced|resampled)"
        rf" (?:{_SEQUENCE})(?= )",
        r" \1\2",
    ),
    (rf" ({_SEQUENCE}) 2 (?:{_SEQUENCE})(?= )", r" \1"),
    # The brain's mask is not the tumour's.
    (r" (?:brain|bet|head|skull|tissue|wm|gm|csf) (?:mask|seg|segmentation)(?= )", " brainmask"),
    (rf" (?:pre|post) (?:{_TREATMENT})(?= )", " treated"),
    (r" c \+(?= )", " +c"),
    (rf" (?:{_WITHOUT})(?: (?!t1|t2|flair|c )[a-z]+){{0,2}}? (?:{_CONTRAST}|c)(?= )", " native"),
    (rf" (?:{_NATIVE})(?= )", " native"),
    # A FLAIR that is weighted to T1.
    (r" (t1w?) flair(?= )", r" \1"),
    (rf" (?:{_AGENT}){_BETWEEN} (?:{_T1})(?= )", " t1ce"),
    (rf" (?:{_SHORT})(?: (?:{_PLANE}))* (?:{_T1})(?= )", " t1ce"),
    (rf" (?:{_T1}){_BETWEEN} (?:{_CONTRAST}|post|\+)(?= )", " t1ce"),
    (rf" (?:{_T1}) c(?= )", " t1ce"),
    # Short for FLAIR where nothing else is named; FLASH is fl2d and fl3d.
    (
        r"^((?: (?!t1|t2|mpr|flair|fla )[^ ]+)*) fl(?=(?: (?!t1|t2|mpr|flair|fla )[^ ]+)* $)",
        r"\1 flair",
    ),
)
# First match wins: contrast and FLAIR before plain T1 and T2. So `t1` is not found in `patient12` or
# `t1ce`. Sources: BraTS 2012-2021 and 2023 naming, BIDS suffixes (FLAIR, T1w, T2w, ce-gadolinium) and
# common series descriptions of scanners.
_WORDS = (
    (MASK, r"seg|dseg|mask|label|labels|segmentation"),
    ("flair", r"flair|fla|t2f|t2flair|t2 flair|tirm|dark fluid|darkfluid|spcir"),
    (
        "t1ce",
        rf"t1w?i?(?:ce|c|gd|gad|gado|km|inj|mdc|enh|post(?:{_AFTER})?|contrast|plus)w?i?|(?:ce|c|gd|gad|post|km)t1w?i?"
        r"|ce gadolinium",
    ),
    ("t1", rf"{_T1}|t1n|t1 native|t1pre|t1plain|t1nativ|t1native|t1tse|t1se|t1fse|t1tfe|t1ffe"),
    ("t2", r"t2|t2wi?|t2 tse|t2tse|t2fse|t2 weighted"),
)
_PATTERNS = tuple((key, re.compile(rf"(?:^| )(?:{words})(?: |$)")) for key, words in _WORDS)
# Other images, whatever else the name contains; the kinds are codes of model/io/dicom/reasons.py.
_OTHER_KINDS = (
    ("localiser", r"localizer|localiser|locator|scout|survey|3plane|3 plane|plan loc|loc 3"),
    ("subtraction", r"subtraction|subtracted|subtract|subtr|t1[a-z]* sub(?= $)"),
    ("susceptibility", r"t2 star|t2star|swi|swan|swip|hemo|medic|gre t2s|qsm"),
    ("diffusion", r"dwi|adc|eadc|dti|dki|trace|tracew|ep2d diff|diffusion"),
    (
        "perfusion",
        r"asl|pwi|dsc|dce|perf|perfusion|cbf|cbv|rcbv|mtt|ttp|tmax|ktrans|ep2d perf",
    ),
    ("functional", r"bold|fmri|rsfmri|resting state|sbref|fieldmap|field map"),
    ("angiography", r"tof|mra|mrv|angio|angiography|venogram|venography"),
    ("spectroscopy", r"mrs|spectro|spectroscopy|svs|mrsi"),
    ("projection", r"mip|minip|mnip|projection"),
    ("map", r"t[12]w? ?map|r[12]star|t1rho|mtr"),
    ("balanced", r"ciss|fiesta|bffe"),
    (
        "derived",
        r"brainmask|brainmasks|roi|rois|pred|preds|prediction|predicted|prob|probs|probability|heatmap|entropy|overlay"
        r"|uncertainty|difference|aseg|aparc|synthseg|ribbon|parcellation|jacobian|warpfield|xfm|pve|probseg|biasfield|bias field"
        r"|deformation|displacement|(?:gm|wm|csf)(?= $)",
    ),
)
_OTHERS = re.compile(rf" (?:{'|'.join(words for _, words in _OTHER_KINDS)})(?= )")
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


def guess_description(text: str) -> str | None:
    """Return what `guess_modality` says of a series' description, in which a slash parts no folders."""
    return guess_modality(_unslashed(text))


def contrast_in(text: str) -> bool | None:
    """Return whether a description of a T1 says that a contrast agent was given; None: it does not say."""
    words = _words_of(f"t1 {_unslashed(text)}")
    if re.search(r" (?:native|pre)(?= )", words):
        return False
    return True if _PATTERNS[2][1].search(words) else None


def other_kind(text: str) -> str | None:
    """Return which other kind of image a description names, a code of the reasons for series, or None."""
    words = _words_of(_unslashed(text))
    return next(
        (kind for kind, names in _OTHER_KINDS if re.search(rf" (?:{names})(?= )", words)), None
    )


def _unslashed(text: str) -> str:
    return re.sub(r"w/o", "wo", text, flags=re.IGNORECASE).replace("/", " ").replace("\\", " ")


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
