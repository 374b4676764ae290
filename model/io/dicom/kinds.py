"""What a series is by its headers, where it is none of the four sequences."""

import re
from collections.abc import Sequence

from model.io.dicom.grouping import REPEATS, Stack
from model.io.dicom.headers import Frame, Instance
from model.io.dicom.reasons import Reason

# SOP classes of MR images: classic, enhanced, converted to enhanced (DICOM PS3.4 B.5).
MR_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.4.1",
    "1.2.840.10008.5.1.4.1.1.4.4",
}
SPECTROSCOPY_CLASS = "1.2.840.10008.5.1.4.1.1.4.2"
# The beginning of the classes of secondary captures.
CAPTURE_CLASSES = "1.2.840.10008.5.1.4.1.1.7"
# Values of Image Type from the third on that say what an image is. Defined terms of PS3.3 C.8.3.1.1.1 and
# C.8.13.3.1, and words of Siemens, GE, Philips and Canon.
_IMAGE_TYPES = (
    ("localiser", {"LOCALIZER", "SCOUT", "SURVEY"}),
    (
        "projection",
        {"MIP", "MINIP", "MNIP", "PROJECTION IMAGE", "MPR", "CPR", "REFORMATTED", "REFORMAT", "CSA MPR",
         "MAX_IP", "MIN_IP", "CSA 3D EDITOR", "CSAPARALLEL", "MPR_THICK", "SSD", "VRT"},
    ),
    (
        "diffusion",
        {"DIFFUSION", "ADC", "EADC", "TRACEW", "TRACE", "FA", "DIFFUSION_ANISO", "DIRECTIONAL", "CALC_BVALUE",
         "TENSOR", "ISOTROPIC", "ANISOTROPIC", "DWI"},
    ),
    (
        "perfusion",
        {"PERFUSION", "ASL", "CBF", "CBV", "RELCBF", "RELCBV", "RELMTT", "MTT", "TTP", "TMAX", "GBP", "PBP", "RCBF", "RCBV",
         "PERFUSION_ASL"},
    ),
    ("functional", {"FMRI", "BOLD", "MOSAIC"}),
    ("angiography", {"ANGIO", "TOF", "TIME_OF_FLIGHT", "PCA", "PHASE_CONTRAST", "FLOW_ENCODED", "VELOCITY"}),
    ("susceptibility", {"SWI", "SW", "SWAN", "T2_STAR", "T2_STAR MAP", "SUSCEPTIBILITY"}),
    ("map", {"T1 MAP", "T2 MAP", "R1 MAP", "R2 MAP", "R2_STAR MAP", "PD MAP", "B0 MAP", "B1 MAP", "T1_MAP", "T2_MAP"}),
    ("subtraction", {"SUB", "SUBTRACT", "SUBTRACTION", "SUBTRACTED"}),
)  # fmt: skip
# Volumes of one series from which on it is a time series.
TIME_POINTS = 3
# A localiser has several planes with so few slices each.
LOCALISER_SLICES = 25
# Names of pulse sequences: echo-planar ones of Siemens.
_PLANAR = re.compile(r"\*?ep[_0-9b]|epi", re.IGNORECASE)
# b-values from which on an image is diffusion-weighted, in s/mm2.
B_VALUE = 1.0


def of_file(instance: Instance) -> Reason | None:
    """Return why a file is no MR image, None if it is one."""
    if instance.class_uid == SPECTROSCOPY_CLASS:
        return Reason("spectroscopy")
    if instance.class_uid.startswith(CAPTURE_CLASSES):
        return Reason("secondary_capture")
    if not instance.has_pixels or not instance.frames:
        return Reason("no_image", (instance.modality or "unknown",))
    if instance.modality != "MR" and instance.class_uid not in MR_CLASSES:
        return Reason("not_mr", (instance.modality or "unknown",))
    return None


def of_stack(stack: Stack) -> list[Reason]:
    """Return why a stack is none of the four sequences, by its headers alone; none if it may be one."""
    wrong = [reason for instance in stack.instances if (reason := of_file(instance))]
    if wrong:
        return wrong[:1]
    found = [
        _by_image_type(stack.frames),
        _component(stack.frames),
        _repeated(stack),
        _planes(stack),
    ]
    found += [_by_scan(stack.frames)]
    unique = dict.fromkeys(reason for reason in found if reason)
    return list(unique)


def is_computed(frames: Sequence[Frame]) -> bool:
    """Say whether images are called derived, though nothing says from what."""
    return any(frame.image_type[:1] == ("DERIVED",) for frame in frames)


def _by_image_type(frames: Sequence[Frame]) -> Reason | None:
    types = {word for frame in frames for word in frame.image_type}
    for code, words in _IMAGE_TYPES:
        if hits := sorted(types & words):
            return Reason(code, (hits[0],) if code == "projection" else ())
    secondary = [frame for frame in frames if frame.image_type[:2] == ("DERIVED", "SECONDARY")]
    return Reason("derived", ("/".join(secondary[0].image_type[:4]),)) if secondary else None


def _component(frames: Sequence[Frame]) -> Reason | None:
    return Reason("phase") if any(frame.component for frame in frames) else None


def _repeated(stack: Stack) -> Reason | None:
    if (
        any((frame.b_value or 0) >= B_VALUE for frame in stack.frames)
        or "b_value" in stack.split_by
    ):
        return Reason("diffusion")
    if stack.siblings >= TIME_POINTS and set(stack.split_by) & set(REPEATS):
        return Reason("time_series", (stack.siblings,))
    return None


def _planes(stack: Stack) -> Reason | None:
    """Return that a series of several planes with few slices each is a localiser."""
    few = len(stack.frames) <= LOCALISER_SLICES
    return Reason("localiser") if stack.planes >= 3 and few else None


def _by_scan(frames: Sequence[Frame]) -> Reason | None:
    for scan in {frame.scan for frame in frames}:
        if scan.angio:
            return Reason("angiography")
        if "EP" in scan.sequence or _PLANAR.match(scan.sequence_name):
            return Reason("echo_planar")
        if "MTC" in scan.variant:
            return Reason("magnetisation_transfer")
    return None
