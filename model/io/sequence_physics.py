"""Which sequence a series is by how it was scanned: repetition, echo and inversion time, flip angle.

Ranges are those of clinical brain protocols at 1.5 and 3 T (McRobbie et al., MRI from Picture to Proton, 3rd
ed., ch. 3 and 7; consensus protocol for brain tumours, Ellingson et al., Neuro-Oncology 2015; 17:1188), with
margins. Values between ranges give a guess with less confidence, or none.
"""

from dataclasses import dataclass

from model.io.dicom.headers import Scan

# Inversion times in ms that null fluid, given the field; at 64 mT 1300 to 1500 do.
FLUID_NULLED_TI_MS = (1250.0, 3500.0)
# Inversion times that null fat at 1.5 and 3 T.
FAT_NULLED_TI_MS = (80.0, 300.0)
# Inversion times that prepare for T1, as of MPRAGE and T1 FLAIR.
T1_TI_MS = (300.0, 1250.0)
# Echo times from which on contrast is that of T2, and up to which it is that of T1, in ms.
T2_TE_MS, T1_TE_MS = 70.0, 35.0
# Repetition times of spin echoes: weighting to T1 below, to T2 or proton density above.
T1_TR_MS, LONG_TR_MS = 1100.0, 1800.0
# Gradient echoes: echo time up to which T1 decides, in ms; flip angle from which on it does, in degrees.
GRADIENT_TE_MS, GRADIENT_FLIP_DEG = 12.0, 6.0
# Balanced steady state: flip angle, repetition time and echo time, about half of it.
BALANCED_FLIP_DEG, BALANCED_TR_MS = 35.0, 12.0
# Acquisition Contrast of enhanced files (DICOM PS3.3 C.8.13.3.1): sequence or kind.
_CONTRASTS = {
    "FLUID_ATTENUATED": ("flair", None),
    "T1": ("t1", None),
    "T2": ("t2", None),
    "T2_STAR": (None, "susceptibility"),
    "DIFFUSION": (None, "diffusion"),
    "PERFUSION": (None, "perfusion"),
    "PROTON_DENSITY": (None, "proton_density"),
    "STIR": (None, "fat_nulled"),
    "TIME_OF_FLIGHT": (None, "angiography"),
    "FLOW_ENCODED": (None, "angiography"),
}
SURE, LIKELY, WEAK = 0.95, 0.8, 0.5


@dataclass(frozen=True)
class PhysicsGuess:
    """What physics says: a sequence (`"t1"` with or without contrast), or a kind that is none of the four.

    kind : code of a reason for leaving a series out; both None: physics does not tell
    confidence : 0 to 1, how much the values leave open
    """

    modality: str | None = None
    kind: str | None = None
    confidence: float = 0.0


UNKNOWN = PhysicsGuess()


def guess(scan: Scan) -> PhysicsGuess:
    """Return which sequence a scan is by its physics."""
    if scan.contrast in _CONTRASTS:
        modality, kind = _CONTRASTS[scan.contrast]
        return PhysicsGuess(modality, kind, SURE)
    if scan.te_ms is None and scan.ti_ms is None:
        return UNKNOWN
    if scan.ti_ms:
        return _inversion(scan)
    return _gradient_echo(scan) if _is_gradient_echo(scan) else _spin_echo(scan)


def _is_gradient_echo(scan: Scan) -> bool:
    if scan.sequence:
        return "GR" in scan.sequence and "SE" not in scan.sequence
    # Without its name: spin echoes are not repeated that fast.
    return (scan.tr_ms or 1e9) < 60 or (scan.te_ms or 1e9) < 5


def _inversion(scan: Scan) -> PhysicsGuess:
    te, ti = scan.te_ms, scan.ti_ms
    if _within(ti, FAT_NULLED_TI_MS) and not _is_gradient_echo(scan):
        # At low field T1 is prepared by as short times; the repetition time then is short, too.
        short = (te or T2_TE_MS) <= T1_TE_MS and (scan.tr_ms or 1e9) < LONG_TR_MS
        return PhysicsGuess("t1", None, WEAK) if short else PhysicsGuess(None, "fat_nulled", SURE)
    if te is None:
        return PhysicsGuess("flair", None, WEAK) if ti >= 1500 else UNKNOWN
    if te >= T2_TE_MS and _within(ti, FLUID_NULLED_TI_MS):
        return PhysicsGuess("flair", None, SURE)
    if te <= T1_TE_MS and _within(ti, T1_TI_MS):
        return PhysicsGuess("t1", None, SURE)
    return PhysicsGuess("flair", None, WEAK) if te >= T2_TE_MS and ti > T1_TI_MS[0] else UNKNOWN


def _spin_echo(scan: Scan) -> PhysicsGuess:
    te, tr = scan.te_ms, scan.tr_ms
    if te is None:
        return UNKNOWN
    if te >= T2_TE_MS:
        if "IR" in scan.sequence:
            return PhysicsGuess("flair", None, LIKELY)
        return PhysicsGuess("t2", None, SURE if (tr or 0) >= LONG_TR_MS else WEAK)
    if te <= T1_TE_MS:
        if tr is None:
            return PhysicsGuess("t1", None, WEAK)
        if tr <= T1_TR_MS or "IR" in scan.sequence:
            return PhysicsGuess("t1", None, SURE if tr <= T1_TR_MS else LIKELY)
        return PhysicsGuess(None, "proton_density", LIKELY) if tr >= LONG_TR_MS else UNKNOWN
    return PhysicsGuess("t2", None, WEAK) if (tr or 0) >= LONG_TR_MS else UNKNOWN


def _gradient_echo(scan: Scan) -> PhysicsGuess:
    te, tr, flip = scan.te_ms, scan.tr_ms, scan.flip_deg
    if te is None:
        return UNKNOWN
    if te > GRADIENT_TE_MS:
        return PhysicsGuess(None, "susceptibility", LIKELY)
    spoiled = "SP" in scan.variant or "SS" not in scan.variant
    if (flip or 0) >= BALANCED_FLIP_DEG and (tr or 1e9) <= BALANCED_TR_MS and not spoiled:
        return PhysicsGuess(None, "balanced", LIKELY)
    if flip is not None and flip < GRADIENT_FLIP_DEG:
        return PhysicsGuess("t1", None, WEAK)
    # Time of flight has the same values: fast, thin slices; its name or image type tells it apart.
    flight = tr is not None and 18 <= tr <= 45 and (flip or 90) <= 30 and te >= 2
    if flight or tr is None:
        return PhysicsGuess("t1", None, WEAK)
    return PhysicsGuess("t1", None, SURE)


def _within(value: float | None, limits: tuple[float, float]) -> bool:
    return value is not None and limits[0] <= value <= limits[1]
