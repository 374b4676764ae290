"""Which scan is which sequence by looking at them side by side, for files whose headers say nothing.

What is used: on T2 fluid is brightest, and what is bright there is dark on T1. On FLAIR fluid is dark, but its
brightest parts, as edema, are bright on T2. T1 with and without contrast go together, but the brightest parts of the
one with contrast, as vessels and enhancing tumour, are not those of the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import nibabel as nib
import numpy as np
import scipy

from model.geometry import spacing_mm
from model.io.modalities import MODALITIES
from model.io.nifti import Volume

# Voxels of this size show contrasts between tissues, and little of the noise.
LOOK_MM = 4.0
# Deeper in the head than this lies brain alone: neither scalp, bone and marrow, nor sulci.
DEPTH_MM = 18.0
# Share of the 99th percentile above which a voxel belongs to the head.
HEAD_SHARE = 0.15
# Share of voxels that count as the brightest or the darkest.
EXTREME_SHARE = 0.04
# Fewer voxels say nothing.
MIN_VOXELS = 100
# What a place further ahead counts for, where there are more scans than sequences; looks differ by more.
PREFERENCE = 0.3
# Most scans among which is chosen.
MAX_SCANS = 8


@dataclass(frozen=True)
class Looks:
    """What scans look like, and each beside each other, by their keys.

    bright : how far the brightest voxels lie above the median, as a share of it
    together : correlation of ranks, -1 to 1, by pair
    tops, lows : mean rank, 0 to 1, in the second scan of a pair of what is brightest, darkest, in the first
    """

    bright: Mapping[str, float]
    together: Mapping[tuple[str, str], float]
    tops: Mapping[tuple[str, str], float]
    lows: Mapping[tuple[str, str], float]


def assign(
    volumes: Mapping[str, Volume], roles: Mapping[str, Sequence[str]]
) -> tuple[dict[str, str], float]:
    """Return which sequence each volume most looks like, and by how much the next best lies behind.

    volumes : by key, in the same scanner coordinates, the best scans first
    roles : for each key the sequences that it may be

    No two volumes get the same sequence; of more volumes than sequences some get none. The answer is empty where the
    volumes have too little of a head in common, or where there is only one.
    """
    keys = list(volumes)[:MAX_SCANS]
    looks = look({key: volumes[key] for key in keys})
    if looks is None or len(keys) < 2:
        return {}, 0.0
    open_roles = [role for role in MODALITIES if any(role in roles[key] for key in keys)]
    count = min(len(keys), len(open_roles))
    scored = []
    for chosen in combinations(open_roles, count):
        for order in permutations(keys, count):
            if all(role in roles[key] for role, key in zip(chosen, order, strict=True)):
                found = dict(zip(chosen, order, strict=True))
                worse = sum(keys.index(key) for key in order)
                scored.append((_score(found, looks) - PREFERENCE * worse, found))
    if not scored:
        return {}, 0.0
    scored.sort(key=lambda pair: pair[0], reverse=True)
    lead = scored[0][0] - scored[1][0] if len(scored) > 1 else 1.0
    return {key: role for role, key in scored[0][1].items()}, float(lead)


def look(volumes: Mapping[str, Volume]) -> Looks | None:
    """Return what volumes look like deep in the head that they share, None where they share too little."""
    coarse = _coarse(volumes)
    deep = _deep(list(coarse.values()))
    if np.count_nonzero(deep) < MIN_VOXELS:
        return None
    values = {key: array[deep] for key, array in coarse.items()}
    ranks = {key: _ranks(found) for key, found in values.items()}
    bright = {}
    for key, found in values.items():
        middle, high = np.percentile(found, (50, 98))
        bright[key] = float((high - middle) / max(abs(middle), 1e-6))
    pairs = list(permutations(values, 2))
    return Looks(
        bright,
        {(a, b): float(np.corrcoef(ranks[a], ranks[b])[0, 1]) for a, b in pairs},
        {(a, b): float(ranks[b][ranks[a] > 1 - EXTREME_SHARE].mean()) for a, b in pairs},
        {(a, b): float(ranks[b][ranks[a] < EXTREME_SHARE].mean()) for a, b in pairs},
    )


def _score(found: Mapping[str, str], looks: Looks) -> float:
    """Return how well scans look like sequences: `found` has keys by sequence.

    Weights are round numbers. Of 71 labelled cases FLAIR, T2 and T1 were right in all, and which T1 has contrast agent
    in 68.
    """
    flair, t1, t1ce, t2 = (found.get(role) for role in MODALITIES)
    score = 0.0
    if t2:
        score += _log(looks.bright[t2])
    for either in filter(None, (t1, t1ce)):
        score -= 0.7 * _log(looks.bright[either])
        if t2:
            score -= 2 * looks.together[either, t2]
        if flair:
            score -= looks.tops[flair, either] + looks.lows[either, flair]
    if t1 and t1ce:
        score += 2 * looks.together[t1, t1ce]
        score += 2 * (looks.tops[t1, t1ce] - looks.tops[t1ce, t1])
    if flair and t2:
        score += 2 * (looks.tops[flair, t2] - looks.tops[t2, flair])
    return score


def _log(bright: float) -> float:
    return float(np.log(max(bright, 0.0) + 0.05))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 0 to 1 of values (n,)."""
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks / len(values)


def _coarse(volumes: Mapping[str, Volume]) -> dict[str, np.ndarray]:
    """Return the volumes on one grid of LOOK_MM along the axes of the scanner, over the first one's extent."""
    first = next(iter(volumes.values()))
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in first.data.shape])).reshape(3, -1).T
    places = nib.affines.apply_affine(first.affine, corners)
    start, end = places.min(axis=0), places.max(axis=0)
    # The small heads of phantoms need as many voxels as large ones.
    edge = min(LOOK_MM, float((end - start).min()) / 36)
    grid = nib.affines.from_matvec(np.eye(3) * edge, start)
    shape = tuple(np.ceil((end - start) / edge).astype(int))
    return {key: _sampled(volume, grid, shape, edge) for key, volume in volumes.items()}


def _sampled(volume: Volume, grid: np.ndarray, shape: tuple[int, ...], edge: float) -> np.ndarray:
    """Return a volume on a coarser grid, averaged over about a voxel of that."""
    size = np.maximum(1, np.round(edge / spacing_mm(volume.affine))).astype(int)
    data = scipy.ndimage.uniform_filter(volume.data, size)
    matrix = np.linalg.inv(volume.affine) @ grid
    return scipy.ndimage.affine_transform(data, matrix[:3, :3], matrix[:3, 3], shape, order=1)


def _deep(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return where all heads are deep, as (X, Y, Z) bool."""
    common = np.logical_and.reduce([_head(array) for array in arrays])
    depth = scipy.ndimage.distance_transform_edt(np.pad(common, 1))[1:-1, 1:-1, 1:-1]
    edge_voxels = min(DEPTH_MM / LOOK_MM, depth.max() / 2)
    return depth > edge_voxels


def _head(array: np.ndarray) -> np.ndarray:
    positive = array[array > 0]
    if not positive.size:
        return np.zeros(array.shape, bool)
    mask = np.pad(array > HEAD_SHARE * np.percentile(positive, 99), 4)
    labels, count = scipy.ndimage.label(mask)
    if count > 1:
        mask = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    mask = scipy.ndimage.binary_closing(mask, iterations=3)
    return scipy.ndimage.binary_fill_holes(mask)[4:-4, 4:-4, 4:-4]
