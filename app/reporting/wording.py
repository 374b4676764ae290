"""Measurements in words, the same on the case page, on the report page and in the PDF.

Every text says what the model marked; none says anything about the patient. Only Latin-1 letters,
which the PDF's fonts are limited to.
"""

from collections.abc import Sequence

from app.analysis.features import MIDLINE_MM, Features
from app.analysis.lesion_names import NamedLesion
from app.analysis.lesions import MIN_LESION_ML, Location, from_brain_mm
from app.analysis.measurements import Measurements
from app.analysis.rano import MEASURABLE_MM, MEASURABLE_SLICES, THICK_SLICE_MM, Rano
from app.analysis.record import Accuracy, MaskInfo
from model.io.modalities import MODALITIES, TITLES
from model.preparation.record import Preparation, Registered
from model.warnings import CaseWarning

SIDES = {
    "left": "Left",
    "right": "Right",
    "both": "Both sides",
    "bilateral": "Both sides",
    "midline": "Midline",
}
# What the ends of each plane's row of slices are called, from index 0 on.
ENDS = {"axial": ("I", "S"), "coronal": ("P", "A"), "sagittal": ("L", "R")}
# What lies on either side of a point along each RAS+ axis: above it, below it.
DIRECTIONS = (("right", "left"), ("anterior", "posterior"), ("superior", "inferior"))
# Lesions of which a report of one page tells each by itself.
MOST_LESIONS = 4
NOT_MEASURABLE = (
    f"Not measurable by RANO, which asks for {MEASURABLE_MM:g} mm both ways (twice the distance of slices over "
    f"{THICK_SLICE_MM:g} mm) on at least {MEASURABLE_SLICES} slices."
)
NOTES = (
    "RANO: longest axial diameter of the largest enhancing lesion and the longest at right angles "
    "(Wen et al. 2010), taken from the mask's outline.",
    "Side: one with over 90 % of the whole tumour, else both; midline if one part lies astride, with the centre within "
    f"{MIDLINE_MM:g} mm. The midline is upright through the brain's centre; a tilted head shifts it.",
    "Centre: the whole tumour's centre of mass, from the brain's along the axes of the scan's "
    "coordinates.",
    f"Lesions: connected parts of at least {MIN_LESION_ML:g} mL; numbers stay when the mask is corrected.",
)

# Never worded as an absence of tumour: the model may have missed one.
EMPTY_MESSAGE = "The model marked no voxels."
EMPTY_CORRECTION = "No voxels are marked in the corrected mask."
NO_STATEMENT = "This is no statement about the patient."
LIMITS = (
    "Meant for research on adult diffuse glioma before treatment.",
    "Small or faint lesions can be missed, and other tissue can be marked; every number here carries "
    "the errors of the mask.",
)
CALIBRATED = "over many patients close to the share of voxels that is right, not in each"
UNCALIBRATED = "not calibrated"
NO_PROBABILITY = "No probability is given for a mask that was corrected by hand."
NO_ACCURACY = "No measured accuracy is stored with this case."


def message(measurements: Measurements, mask: MaskInfo | None) -> str:
    """Return the one sentence that an empty result needs, else an empty string."""
    if not measurements.is_empty:
        return ""
    return EMPTY_CORRECTION if mask and mask.by_hand else EMPTY_MESSAGE


def origin(mask: MaskInfo | None) -> str:
    """Return who made the mask of a report and what must not rest on it."""
    made = "Marked by a model and not read by a physician"
    if mask and mask.by_hand:
        made = f"Marked by a model and corrected by hand (version {mask.number})"
    return f"{made}; decisions about a patient must not rest on it."


def limits(mask: MaskInfo | None, found: Accuracy | None) -> list[str]:
    """Return what a reader has to know of the numbers of a report.

    found : what was measured of the model
    """
    by_hand = [NO_PROBABILITY] if mask and mask.by_hand else []
    return [*LIMITS, probability(found), *NOTES, *by_hand]


def probability(found: Accuracy | None) -> str:
    """Return what a probability is, and how far it was from the share of voxels that is right."""
    text = "Probability: the mean that the model gave to the marked class; "
    if not (found and found.calibration):
        return f"{text}{UNCALIBRATED}."
    patients = f"{found.patients} patients" if found.patients else "patients"
    error, gap = found.calibration.error, found.calibration.case_gap
    return (
        f"{text}over {patients} not trained on, {error:.2f} from the share of voxels that is right, but "
        f"in one of ten regions of single patients more than {gap:.2f}."
    )


def calibrated(found: Accuracy | None) -> str:
    """Return in a few words whether probabilities were compared with what is right."""
    return CALIBRATED if found and found.calibration else UNCALIBRATED


def accuracy(found: Accuracy | None, missing: Sequence[str]) -> str:
    """Return what the scores of a report are.

    missing : the sequences that the case lacks
    """
    if not found:
        return NO_ACCURACY
    patients = f"{found.patients} patients" if found.patients else "patients"
    given = ", with all four sequences" if missing else ""
    return (
        f"Means over {patients} that the scored network was not trained on{given}; a single case can lie far from "
        "them. Dice: overlap, 1 is perfect. HD95: distance within which 95 % of the outlines lie."
    )


def other_warnings(warnings: Sequence[CaseWarning]) -> list[str]:
    """Return the texts of warnings, but for the one that `message` says already."""
    return [warning.text for warning in warnings if warning.code != "nothing_marked"]


def preparation(found: Preparation) -> str:
    """Return what was done to a case before the network saw it."""
    reference = TITLES[found.reference]
    if found.brain_drawn:
        brain = "The brain mask was uploaded"
    elif found.brain_extracted:
        brain = f"The brain was extracted from {reference}"
    else:
        brain = "The scans came skull-stripped"
    moved = [TITLES[m] for m in MODALITIES if m in found.registered]
    registered_to = f"{_listed(moved)} registered to {reference}" if moved else "nothing registered"
    return f"{brain} ({found.brain_ml:.0f} mL); {registered_to}."


def registered(found: Registered | None) -> str:
    """Return how a sequence was moved."""
    if found is None:
        return "On the grid of the reference as it came"
    if not found.rotation_deg and not found.translation_mm:
        return f"Lay right as it came; brains agree by {found.agreement:.2f}"
    return (
        f"Turned by {found.rotation_deg:.1f}°, moved by {found.translation_mm:.1f} mm; brains agree by "
        f"{found.agreement:.2f}"
    )


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def time(iso: str) -> str:
    """Return a time of a report, ISO 8601 in UTC, for reading."""
    return f"{iso[:16].replace('T', ' ')} UTC"


def diameters(rano: Rano | None) -> str:
    """Return the two diameters and their product."""
    if rano is None:
        return "No enhancing voxels were marked"
    return f"{rano.longest_mm:.1f} × {rano.perpendicular_mm:.1f} mm = {rano.product_mm2:.0f} mm²"


def mask(found: MaskInfo | None) -> str:
    """Return where the mask of a report comes from."""
    if found is None or not found.by_hand:
        return "As the model made it"
    return f"Corrected by hand, version {found.number}"


def pictures(has_diameters: bool) -> str:
    """Return what has to be known to read key images."""
    lines = "; white lines: RANO diameters" if has_diameters else ""
    return f"Radiological convention. Outlines in the colours of the table{lines}."


def place(rano: Rano | None) -> str:
    """Return where the diameters lie and whether they count, to follow `diameters`."""
    if rano is None:
        return "."
    note = "" if rano.measurable else f" {NOT_MEASURABLE}"
    return f" in axial slice {rano.slice + 1}.{note}"


def facts(
    measurements: Measurements, brain_centre_mm: Sequence[float] | None
) -> list[tuple[str, str]]:
    """Return title and text of what is measured besides volumes and diameters, where known.

    brain_centre_mm : (3,) RAS+ mm, None where it was not kept
    """
    lesions, location = measurements.lesions, measurements.location
    found = []
    if lesions:
        found.append(("Lesions", f"{lesions.whole_tumor} ({lesions.enhancing} enhancing)"))
    if location:
        found.append(("Side", _side(location, measurements.features)))
        if brain_centre_mm:
            offset_mm = from_brain_mm(location.centre_mm, brain_centre_mm)
            found.append(("Centre", _centre(offset_mm)))
    return found


def lesions(
    found: Sequence[NamedLesion] | None,
) -> list[tuple[str, str]]:
    """Return title and text of the first lesions by their numbers, and how many more there are."""
    found = found or ()
    rows = [(f"Lesion {one.number}", _lesion(one)) for one in found[:MOST_LESIONS]]
    if more := len(found) - len(rows):
        rows.append(("More", f"{more} other lesions: see the JSON or CSV report"))
    return rows


def _lesion(one: NamedLesion) -> str:
    side = f"{SIDES[one.side].lower()}, " if one.side else ""
    return f"{one.ml:.2f} mL, {side}{one.longest_mm:.0f} mm (axial {one.slice + 1})"


def _side(location: Location, features: Features | None) -> str:
    left = round(100 * location.left_share)
    name = SIDES[(features and features.side) or location.side]
    return name if left in (0, 100) else f"{name} ({left} % left, {100 - left} % right)"


def _centre(offset_mm: Sequence[float]) -> str:
    """Return where a centre lies from the brain's, (3,) mm to the right, anterior, superior."""
    parts = [
        f"{abs(offset)} mm {above if offset > 0 else below}"
        for offset, (above, below) in zip(map(round, offset_mm), DIRECTIONS, strict=True)
        if offset
    ]
    return f"{', '.join(parts)} of the brain's centre" if parts else "At the brain's centre"
