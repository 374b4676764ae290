"""Which series of a study are the four sequences: by physics, then descriptions, then times, then the images.

Each guess carries its evidence and how sure it is; of several candidates for a sequence the one with the
best coverage and resolution is chosen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from model.io import sequence_image
from model.io.dicom.reasons import Reason
from model.io.dicom.series import Series
from model.io.modalities import MODALITIES, guess_description, other_kind
from model.io.nifti import Volume
from model.io.sequence_contrast import with_contrast
from model.io.sequence_evidence import Evidence, Guess, physics_evidence, title
from model.io.sequence_physics import LIKELY, WEAK, guess

# A series that covers less, in mm, is of a part of the head, or of a spine.
MIN_COVERAGE_MM = 60.0
# Beyond this, more coverage is no advantage: the brain has no more.
BRAIN_MM = 150.0
# How sure a guess is, from 0 to 1.
BY_DESCRIPTION, BY_IMAGE, DISAGREEING = 0.85, 0.6, 0.75
ReadVolume = Callable[[Series], Volume]


@dataclass(frozen=True)
class Choice:
    """Which series are taken, and what is known of all.

    chosen : by sequence, in the order of MODALITIES; a sequence that none fits is absent
    guesses : by key of series; left_out : by key why a series is none of the four, empty where it may be
    """

    chosen: dict[str, Series]
    guesses: dict[str, Guess]
    left_out: dict[str, tuple[Reason, ...]]


def choose(series: Sequence[Series], read: ReadVolume | None = None) -> Choice:
    """Guess the sequence of each series of one study, and choose one for each sequence.

    read : reads a series' voxels; without it, series whose headers say nothing get no guess. It is called only
        for those and for what they are compared with; a CaseError of it passes through
    """
    left_out = {one.key: _left_out(one) for one in series}
    candidates = [one for one in series if not left_out[one.key]]
    guesses = {one.key: _by_header(one) for one in candidates}
    guesses = with_contrast(candidates, guesses, series)
    if read:
        guesses |= _by_image(candidates, guesses, read)
    left_out |= _computed(candidates, guesses)
    candidates = [one for one in candidates if not left_out[one.key]]
    every = {one.key: guesses.get(one.key) or _although_left_out(one, left_out) for one in series}
    chosen = {}
    for modality in MODALITIES:
        fitting = [one for one in candidates if every[one.key].modality == modality]
        if fitting:
            chosen[modality] = max(fitting, key=lambda one: _rank(one, every[one.key]))
    return Choice(chosen, every, left_out)


def _left_out(series: Series) -> tuple[Reason, ...]:
    """Return why a series is none of the four sequences, or cannot be read."""
    found = [*series.left_out, *series.problems]
    kind = other_kind(series.description) or other_kind(series.protocol)
    named = {reason.code for reason in found}
    if kind and kind not in named:
        values = {"projection": (kind,), "derived": ("by its name",)}.get(kind, ())
        found.append(Reason(kind, values))
    if not found:
        physics = guess(series.scan)
        if physics.kind and physics.confidence >= LIKELY:
            values = (series.scan.ti_ms or 0.0,) if physics.kind == "fat_nulled" else ()
            found.append(Reason(physics.kind, values))
        elif coverage_mm(series) < MIN_COVERAGE_MM:
            found.append(Reason("little_coverage", (coverage_mm(series),)))
    return tuple(found)


def _computed(
    candidates: Sequence[Series], guesses: Mapping[str, Guess]
) -> dict[str, tuple[Reason, ...]]:
    """Return which series that are called derived are left out, as an original one of the sequence is there.

    Without one they stay: tools that anonymise or convert call all that they write derived.
    """
    originals = {guesses[one.key].modality for one in candidates if not one.computed}
    return {
        one.key: (Reason("derived", ("/".join(one.frames[0].image_type[:4]),)),)
        for one in candidates
        if one.computed and guesses[one.key].modality in originals
    }


def _although_left_out(series: Series, left_out: Mapping[str, tuple[Reason, ...]]) -> Guess:
    """Return the guess of a series that only covers too little, for whoever wants it nevertheless."""
    codes = {reason.code for reason in left_out[series.key]}
    return _by_header(series) if codes == {"little_coverage"} else Guess()


def coverage_mm(series: Series) -> float:
    """Return the shortest edge of the box that a series covers, 0 without a grid."""
    if series.grid is None or series.spacing_mm is None:
        return 0.0
    return min(n * mm for n, mm in zip(series.grid.shape, series.spacing_mm, strict=True))


def _by_header(series: Series) -> Guess:
    """Return the guess by physics and description; a T1 is not yet told with or without contrast."""
    physics = guess(series.scan)
    named = guess_description(series.description) or guess_description(series.protocol)
    plain = "t1" if named == "t1ce" else named if named in MODALITIES else None
    evidence = _physics_evidence(series)
    if physics.modality and (physics.confidence > WEAK or plain in (None, physics.modality)):
        if plain and plain != physics.modality:
            differs = Evidence("description_differs", (title(plain),))
            return Guess(physics.modality, DISAGREEING, (evidence, differs))
        if plain:
            also = Evidence("description", (title(plain),))
            return Guess(physics.modality, max(physics.confidence, BY_DESCRIPTION), (evidence, also))  # fmt: skip
        return Guess(physics.modality, physics.confidence, (evidence,))
    if plain:
        return Guess(plain, BY_DESCRIPTION, (Evidence("description", (title(plain),)),))
    return Guess()


def _physics_evidence(series: Series) -> Evidence:
    scan = series.scan
    if scan.contrast and scan.contrast not in ("UNKNOWN", "MIXED"):
        return Evidence("named_contrast", (scan.contrast.replace("_", " ").lower(),))
    return physics_evidence(scan)


def _by_image(
    candidates: Sequence[Series], guesses: Mapping[str, Guess], read: ReadVolume
) -> dict[str, Guess]:
    """Return guesses for series of which headers say nothing, or not whether a T1 has contrast."""
    unsure = [one for one in candidates if _allowed(guesses[one.key])[1]]
    if not unsure:
        return {}
    anchors = {}
    for modality in MODALITIES:
        known = [
            one for one in candidates if guesses[one.key].modality == modality and one not in unsure
        ]
        if known:
            anchors[modality] = max(known, key=lambda one: _rank(one, guesses[one.key]))
    # The best covered ones, where there are more than can be compared.
    unsure = sorted(unsure, key=lambda one: _rank(one, Guess()), reverse=True)
    asked = [*anchors.values(), *unsure][: sequence_image.MAX_SCANS]
    roles = {one.key: _allowed(guesses[one.key])[0] for one in asked}
    taken = set(anchors)
    for one in asked:
        if one in unsure:
            roles[one.key] = tuple(role for role in roles[one.key] if role not in taken)
    volumes = {one.key: read(one) for one in asked if roles[one.key]}
    found, _ = sequence_image.assign(volumes, roles) if len(volumes) > 1 else ({}, 0.0)
    return {one.key: _seen(guesses[one.key], found[one.key]) for one in unsure if one.key in found}


def _allowed(known: Guess) -> tuple[tuple[str, ...], bool]:
    """Return the sequences that a guess leaves open, and whether the image should be asked."""
    if known.modality is None:
        return MODALITIES, True
    alone = any(one.code in ("alone", "t1_later", "t1_earlier") for one in known.evidence)
    if known.modality in ("t1", "t1ce") and alone:
        return ("t1", "t1ce"), True
    return (known.modality,), False


def _seen(known: Guess, modality: str) -> Guess:
    image = Evidence("image", (title(modality),))
    kept = tuple(one for one in known.evidence if one.code != "alone")
    if known.modality is None:
        return Guess(modality, BY_IMAGE, (image,))
    if known.modality == modality:
        return replace(known, evidence=(*kept, image), confidence=max(known.confidence, BY_IMAGE))
    kept = tuple(one for one in kept if one.code not in ("t1_later", "t1_earlier"))
    return replace(known, modality=modality, evidence=(*kept, image), confidence=BY_IMAGE)


def _rank(series: Series, known: Guess) -> tuple:
    """Return what makes one candidate better than another, most important first."""
    spacing = sorted(series.spacing_mm or (99.0,))
    covered = round(min(coverage_mm(series), BRAIN_MM) / BRAIN_MM, 1)
    # A scan in 3-D shows small enhancing lesions best; of the others, too, the slice thickness decides.
    in_3d = known.modality == "t1ce" and (series.scan.is_3d or spacing[-1] <= 2.0)
    suppressed = "FS" in series.scan.options
    time = series.time.timestamp() if series.time else 0.0
    return (
        not series.computed,
        known.confidence >= DISAGREEING,
        covered >= 0.7,
        in_3d,
        covered,
        -round(spacing[-1], 1),
        not suppressed,
        -round(spacing[0], 2),
        time,
    )
