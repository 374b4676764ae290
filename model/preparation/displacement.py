"""Whether sequences that lie on one grid show the head in one place.

Fine structure of two sequences correlates best where they lie on each other. Tried on 14 prepared cases: as
they are it is strongest in place or within 4 mm; with a sequence shifted by 10 mm, at least twice as strong elsewhere.
"""

import numpy as np
import scipy

from model.io.modalities import MODALITIES
from model.plausibility import FINE_LIMIT_Z, fine_structure

# Compared in means of cubes of this many mm, against the mean of this many such cubes around.
BLOCK_MM, AROUND = 4, 5
# Displacements are looked for up to this many blocks along each axis.
REACH = 5
# A displacement counts from this length on, and if the correlation there is this many times that in place.
LEAST_MM, LEAST_GAIN = 6.0, 2.0
# Fine structure of brains: fewer blocks tell nothing.
LEAST_BLOCKS = 1000


def displaced(scores: np.ndarray, brain: np.ndarray, present: tuple[int, ...]) -> list[str]:
    """Return the modalities that lie elsewhere than T1 (T1ce where there is no T1).

    scores : (X, Y, Z, 4) z-scores at 1 mm, 0 outside the brain ; brain : (X, Y, Z) bool
    present : channels that hold a sequence
    """
    blocks = _means(brain[..., None].astype(np.float32))[..., 0] > 0.5
    inner = scipy.ndimage.binary_erosion(blocks)
    if np.count_nonzero(inner) < LEAST_BLOCKS:
        return []
    fine = fine_structure(_means(scores), blocks, AROUND)
    fine = np.clip(fine, -FINE_LIMIT_Z, FINE_LIMIT_Z) * inner[..., None]
    anchor = MODALITIES.index("t1" if MODALITIES.index("t1") in present else "t1ce")
    others = [channel for channel in present if channel != anchor]
    return [MODALITIES[c] for c in others if _apart(fine[..., anchor], fine[..., c])]


def _means(volume: np.ndarray) -> np.ndarray:
    """Return the means of cubes of BLOCK_MM voxels of (X, Y, Z, C), of every second one along each axis."""
    # The conversion from float16 takes most of the time.
    few = volume[::2, ::2, ::2].astype(np.float32)
    edge = BLOCK_MM // 2
    shape = [length // edge for length in few.shape[:3]]
    x, y, z = (length * edge for length in shape)
    blocks = [part for length in shape for part in (length, edge)]
    return few[:x, :y, :z].reshape(*blocks, -1).mean(axis=(1, 3, 5))


def _apart(one: np.ndarray, other: np.ndarray) -> bool:
    """Say whether two fine structures (X, Y, Z) correlate far better displaced than in place."""
    padded = [length + 2 * REACH for length in one.shape]
    spectrum = scipy.fft.rfftn(one, padded) * np.conj(scipy.fft.rfftn(other, padded))
    near = np.arange(-REACH, REACH + 1)
    found = np.abs(scipy.fft.irfftn(spectrum, padded)[np.ix_(near, near, near)])
    best = np.unravel_index(found.argmax(), found.shape)
    distance_mm = BLOCK_MM * np.linalg.norm(np.subtract(best, REACH))
    in_place = found[REACH, REACH, REACH]
    return bool(distance_mm >= LEAST_MM and found[best] >= LEAST_GAIN * in_place)
