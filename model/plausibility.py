"""Whether scans look like the sequences that they were given as.

With two sequences exchanged the mask is wrong but may look plausible, so the images themselves are
checked. Measured on 35 labelled BraTS cases, on which the thresholds were chosen too: other scans may
do worse. In their right order none of them is reported. With two sequences exchanged on purpose:

    exchanged          reported      and both named rightly
    FLAIR and T2        35 of 35     35
    T1 and T2           35 of 35     35
    T1ce and T2         35 of 35     35
    T1 and T1ce         34 of 35     34
    FLAIR and T1        33 of 35     32
    FLAIR and T1ce      25 of 35     23

No case of these is a CT, and none is taken for one; real CT scans were not at hand.
"""

from dataclasses import dataclass

import numpy as np
import scipy

from model.io.modalities import MODALITIES

# Fine structure is compared on every second voxel, against the mean of a cube of this many of them
# (18 mm): coil shading and large lesions fall out, the borders between tissues and fluid remain.
STEP, CUBE = 2, 9
# Voxels at the brain's surface are left out: masks differ there.
RIM = 2
# Mean correlation of the fine structure of two sequences, over the 35 cases. Fluid and white matter
# change places between T1 and T2 weighting, hence the signs.
EXPECTED = {
    ("flair", "t1"): 0.31,
    ("flair", "t1ce"): 0.14,
    ("flair", "t2"): -0.08,
    ("t1", "t1ce"): 0.51,
    ("t1", "t2"): -0.60,
    ("t1ce", "t2"): -0.49,
}
# No pair of sequences of 59 labelled cases correlates by more than this less 0.1; T1 and T1ce may be any.
MOST_ALIKE = {
    ("flair", "t1"): 0.85,
    ("flair", "t1ce"): 0.85,
    ("flair", "t2"): 0.6,
    ("t1", "t2"): 0.3,
    ("t1ce", "t2"): 0.3,
}
# Scans of one sequence correlate by 0.7 or more, also with noise of a third of the deviation and half a voxel apart.
ONE_SEQUENCE = 0.65
# Deviations beyond this many z-scores are cut, so that vessels and borders do not decide alone.
FINE_LIMIT_Z, TAIL_LIMIT_Z = 1.5, 3.0
# By how much the correlations have to fit better with two sequences exchanged: twice the largest
# gain that any of the 35 cases has in its right order.
LEAST_GAIN = 0.15
# By how much the bright tail of T1 has to outweigh that of T1ce; among the 35 cases in their right
# order it is smaller by 0.14 at least.
LEAST_TAIL = 0.2
TAIL_PERCENTILES = (0.5, 50, 99.5)
# Fewer voxels than this tell nothing.
LEAST_VOXELS = 1000
# Air in CT has about -1000 Hounsfield units, brain about 30; both are much of any scan of a head.
CT_AIR, CT_BRAIN, CT_SHARE = (-1100.0, -850.0), (-20.0, 100.0), 0.05


def ct_like(volume: np.ndarray) -> bool:
    """Say whether (X, Y, Z) has the air of a CT, and its brain.

    Scans that were standardised, or filtered around a background far below 0, have such values, too, but not many of
    both. A single value is the padding of some export, which says nothing about the voxels beside it.
    """
    sample = volume[::4, ::4, ::4]
    for low, high in (CT_AIR, CT_BRAIN):
        found = sample[(sample > low) & (sample < high)]
        padding = np.unique(found, return_counts=True)[1].max(initial=0)
        if found.size - padding < CT_SHARE * sample.size:
            return False
    return True


@dataclass(frozen=True)
class Comparison:
    """The sequences of a skull-stripped case, compared inside the brain.

    correlations : of the fine structure of each pair of modalities, 0 where one is missing or flat
    t1, t1ce : (voxels,) z-scores
    """

    correlations: dict[tuple[str, str], float]
    t1: np.ndarray
    t1ce: np.ndarray


def compared(scores: np.ndarray, brain: np.ndarray) -> Comparison | None:
    """Compare the sequences of a skull-stripped case; None where the brain is too small to tell.

    scores : (X, Y, Z, 4) z-scores at 1 mm ; brain : (X, Y, Z) bool
    """
    coarse = scores[::STEP, ::STEP, ::STEP].astype(np.float32)
    mask = brain[::STEP, ::STEP, ::STEP]
    inner = scipy.ndimage.binary_erosion(mask, iterations=RIM)
    if np.count_nonzero(inner) < LEAST_VOXELS:
        return None
    t1, t1ce = (coarse[inner][:, MODALITIES.index(key)] for key in ("t1", "t1ce"))
    return Comparison(_correlations(fine_structure(coarse, mask, CUBE)[inner]), t1, t1ce)


def alike(found: Comparison) -> list[str]:
    """Return the modalities of a case with all four that look like scans of one sequence; none if all look right.

    Sequences that were exchanged look alike as well, until they are exchanged back.
    """
    pair = exchanged(found)
    right = _with_exchanged(found.correlations, pair) if pair else found.correlations
    if all(right[key] <= most for key, most in MOST_ALIKE.items()):
        return []
    same = [key for key, value in found.correlations.items() if value > ONE_SEQUENCE]
    return [modality for modality in MODALITIES if any(modality in key for key in same)]


def exchanged(found: Comparison) -> tuple[str, str] | None:
    """Return the two modalities of a case with all four that look exchanged, None if all look right."""
    gains = {pair: _gain(found.correlations, pair) for pair in EXPECTED}
    best = max(gains, key=gains.__getitem__)
    if gains[best] > LEAST_GAIN:
        return best
    if _bright_tail(found.t1, found.t1ce) - _bright_tail(found.t1ce, found.t1) > LEAST_TAIL:
        return "t1", "t1ce"
    return None


def fine_structure(scores: np.ndarray, mask: np.ndarray, cube: int) -> np.ndarray:
    """Return (X, Y, Z, C) less the mean of the brain in a cube of `cube` voxels around each voxel."""
    share = np.maximum(
        scipy.ndimage.uniform_filter(mask.astype(np.float32), cube, mode="constant"), 1e-3
    )
    around = scipy.ndimage.uniform_filter(
        scores * mask[..., None], (cube, cube, cube, 1), mode="constant"
    )
    return scores - around / share[..., None]


def _correlations(fine: np.ndarray) -> dict[tuple[str, str], float]:
    """Return the correlation of each pair of modalities; `fine` is (voxels, 4)."""
    # A flat sequence correlates with nothing.
    with np.errstate(invalid="ignore"):
        table = np.nan_to_num(np.corrcoef(np.clip(fine, -FINE_LIMIT_Z, FINE_LIMIT_Z).T))
    return {
        (first, second): float(table[MODALITIES.index(first), MODALITIES.index(second)])
        for first, second in EXPECTED
    }


def _gain(found: dict[tuple[str, str], float], pair: tuple[str, str]) -> float:
    """Return how much better correlations fit EXPECTED with the modalities of `pair` exchanged."""
    after = _with_exchanged(found, pair)
    return sum(value * (after[key] - found[key]) for key, value in EXPECTED.items())


def _with_exchanged(
    found: dict[tuple[str, str], float], pair: tuple[str, str]
) -> dict[tuple[str, str], float]:
    """Return correlations as they are with the modalities of `pair` exchanged."""
    other = dict(zip(pair, pair[::-1], strict=True))
    places = {key: tuple(other.get(modality, modality) for modality in key) for key in found}
    return {key: found[at] if at in found else found[at[::-1]] for key, at in places.items()}


def _bright_tail(one: np.ndarray, other: np.ndarray) -> float:
    """Return how much further `one` reaches above than below what `other` predicts, -1 to 1.

    What takes up contrast is brighter in T1ce than T1 lets expect: vessels and meninges, with or
    without a tumour. one, other : (voxels,) z-scores
    """
    other = np.clip(other, -TAIL_LIMIT_Z, TAIL_LIMIT_Z)
    covariance = np.cov(one, other)
    residual = one - covariance[0, 1] / max(covariance[1, 1], 1e-6) * other
    low, middle, high = np.percentile(residual, TAIL_PERCENTILES)
    return float((high + low - 2 * middle) / max(high - low, 1e-6))
