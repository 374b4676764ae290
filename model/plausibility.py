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
# Air in CT has -1000 Hounsfield units and padding even less; MRI has no such values.
CT_AIR_BELOW, CT_AIR_SHARE = -500.0, 0.05


def ct_like(volume: np.ndarray) -> bool:
    """Say whether (X, Y, Z) has the air of a CT: many voxels far below 0, of many values.

    A single such value is the padding of some export, which says nothing about the voxels beside it.
    """
    sample = volume[::4, ::4, ::4]
    low = sample[sample < CT_AIR_BELOW]
    padding = np.unique(low, return_counts=True)[1].max(initial=0)
    return low.size - padding >= CT_AIR_SHARE * sample.size


def exchanged(scores: np.ndarray, brain: np.ndarray) -> tuple[str, str] | None:
    """Return the two modalities that look exchanged, None if all look right.

    scores : (X, Y, Z, 4) z-scores at 1 mm of a skull-stripped case with all four sequences;
    brain : (X, Y, Z) bool
    """
    coarse = scores[::STEP, ::STEP, ::STEP].astype(np.float32)
    mask = brain[::STEP, ::STEP, ::STEP]
    inner = scipy.ndimage.binary_erosion(mask, iterations=RIM)
    if np.count_nonzero(inner) < LEAST_VOXELS:
        return None
    found = _correlations(fine_structure(coarse, mask, CUBE)[inner])
    gains = {pair: _gain(found, pair) for pair in EXPECTED}
    best = max(gains, key=gains.__getitem__)
    if gains[best] > LEAST_GAIN:
        return best
    t1, t1ce = (coarse[inner][:, MODALITIES.index(key)] for key in ("t1", "t1ce"))
    if _bright_tail(t1, t1ce) - _bright_tail(t1ce, t1) > LEAST_TAIL:
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
    other = dict(zip(pair, pair[::-1], strict=True))

    def after(first: str, second: str) -> float:
        keys = other.get(first, first), other.get(second, second)
        return found[keys] if keys in found else found[keys[::-1]]

    return sum(value * (after(*key) - found[key]) for key, value in EXPECTED.items())


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
