"""Measurements in words, the same on the case page, on the report page and in the PDF.

Every text says what the model marked; none says anything about the patient. Only Latin-1 letters,
which the PDF's fonts are limited to.
"""

from collections.abc import Sequence
from typing import Any

from app.analysis.lesions import MIN_LESION_ML
from app.analysis.rano import MEASURABLE_MM, MEASURABLE_SLICES

SIDES = {"left": "Left", "right": "Right", "both": "Both sides"}
# What the ends of each plane's row of slices are called, from index 0 on.
ENDS = {"axial": ("I", "S"), "coronal": ("P", "A"), "sagittal": ("L", "R")}
# What lies on either side of a point along each RAS+ axis: above it, below it.
DIRECTIONS = (("right", "left"), ("anterior", "posterior"), ("superior", "inferior"))
NOT_MEASURABLE = (
    f"Not measurable by RANO, which asks for {MEASURABLE_MM:g} mm both ways on at least "
    f"{MEASURABLE_SLICES} slices."
)
NOTES = (
    "Probability: the mean that the model gave to its own choice; not calibrated.",
    "RANO: longest axial diameter of the largest enhancing lesion and the longest at right angles "
    "(Wen et al. 2010), taken from the mask's outline.",
    "Centre: the whole tumour's centre of mass, from the brain's along the axes of the scan's "
    "coordinates.",
    f"Lesions: connected parts of at least {MIN_LESION_ML:g} mL.",
)

NO_STATEMENT = "This is no statement about the patient."
LIMITS = (
    "Meant for research on adult diffuse glioma before treatment, in skull-stripped, co-registered "
    "scans.",
    "Small or faint lesions can be missed, and other tissue can be marked; every number here carries "
    "the errors of the mask.",
)
NO_PROBABILITY = "No probability is given for a mask that was corrected by hand."
NO_ACCURACY = "No measured accuracy is stored with this case."


def origin(found: dict[str, Any] | None) -> str:
    """Return who made the mask and what must not rest on it, `found` as `mask` in a report."""
    made = "Marked by a model and not read by a physician"
    if found and found["by_hand"]:
        made = f"Marked by a model and corrected by hand (version {found['number']})"
    return f"{made}; decisions about a patient must not rest on it."


def limits(found: dict[str, Any] | None) -> list[str]:
    """Return what a reader has to know of the numbers, `found` as `mask` in a report."""
    return [*LIMITS, *NOTES, *([NO_PROBABILITY] if found and found["by_hand"] else [])]


def accuracy(found: dict[str, Any] | None, missing: Sequence[str]) -> str:
    """Return what the scores of a report are.

    found : its `accuracy`; missing : the sequences that the case lacks
    """
    if not found:
        return NO_ACCURACY
    whom = f"{found['patients']} patients" if found["patients"] else "patients"
    given = ", with all four sequences" if missing else ""
    return (
        f"Means over {whom} whom the network scored had not seen{given}; a single case can lie far from "
        "them. Dice: overlap, 1 is perfect. HD95: distance within which 95 % of the outlines lie."
    )


def other_warnings(report: dict[str, Any]) -> list[str]:
    """Return a report's warnings but for the one that its message says already."""
    message = report["message"]
    return [text for text in report["warnings"] if not (message and text.startswith(message))]


def time(iso: str) -> str:
    """Return a time of a report, ISO 8601 in UTC, for reading."""
    return f"{iso[:16].replace('T', ' ')} UTC"


def diameters(rano: dict[str, Any] | None) -> str:
    """Return the two diameters and their product, `rano` as in `measurements`."""
    if rano is None:
        return "No enhancing voxels were marked"
    long_mm, short_mm = rano["longest_mm"], rano["perpendicular_mm"]
    return f"{long_mm:.1f} × {short_mm:.1f} mm = {rano['product_mm2']:.0f} mm²"


def mask(found: dict[str, Any] | None) -> str:
    """Return where the mask of a report comes from, `found` as `mask` in it."""
    if found is None or not found["by_hand"]:
        return "As the model made it"
    return f"Corrected by hand, version {found['number']}"


def place(rano: dict[str, Any] | None) -> str:
    """Return where the diameters lie and whether they count, to follow `diameters`."""
    if rano is None:
        return "."
    note = "" if rano["measurable"] else f" {NOT_MEASURABLE}"
    return f" in axial slice {rano['slice'] + 1}.{note}"


def facts(
    measurements: dict[str, Any], brain_centre_mm: Sequence[float] | None
) -> list[tuple[str, str]]:
    """Return title and text of what is measured besides volumes and diameters, where known.

    brain_centre_mm : (3,) RAS+ mm as in a report's `geometry`, None where it was not kept
    """
    lesions, location = measurements["lesions"], measurements["location"]
    found = []
    if lesions:
        found.append(("Lesions", f"{lesions['whole_tumor']} ({lesions['enhancing']} enhancing)"))
    if location:
        found.append(("Side", _side(location)))
        if brain_centre_mm:
            found.append(("Centre", _centre(location["centre_mm"], brain_centre_mm)))
    return found


def _side(location: dict[str, Any]) -> str:
    left = round(100 * location["left_share"])
    name = SIDES[location["side"]]
    return name if left in (0, 100) else f"{name} ({left} % left, {100 - left} % right)"


def _centre(centre_mm: Sequence[float], brain_centre_mm: Sequence[float]) -> str:
    """Return where a centre lies from the brain's, both (3,) RAS+ mm."""
    # Not from the origin of coordinates, which need not lie in the head: a tumour on the right can
    # have a negative x, and would seem to lie on the left.
    offsets = [round(mm - brain) for mm, brain in zip(centre_mm, brain_centre_mm, strict=True)]
    parts = [
        f"{abs(offset)} mm {above if offset > 0 else below}"
        for offset, (above, below) in zip(offsets, DIRECTIONS, strict=True)
        if offset
    ]
    return f"{', '.join(parts)} of the brain's centre" if parts else "At the brain's centre"
