"""Features of a tumour that follow from its mask, after the VASARI feature set: pure functions.

VASARI (Visually AcceSAble Rembrandt Images) is how radiologists describe gliomas in the same words: TCIA, VASARI
Research Project, wiki.cancerimagingarchive.net/display/Public/VASARI+Research+Project. Its numbers (F5, ...) stand
beside what is taken from it. Classes and definitions were compared with the wording of its annotation template (NCI
caBIG, AIM template "VASARI", which quotes the guide). A reader judges by eye; here masks are counted, so each feature has a definition of its
own, in `docs/measurements.md`. What a mask does not show (lobe, cysts, haemorrhage, diffusion) is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cc3d
import numpy as np

from app.analysis.lesions import CONNECTIVITY, is_large, largest, locate
from app.analysis.values import ByKey
from model.geometry import centre_mm, spacing_mm, voxel_ml
from model.labels import CORE, EDEMA, ENHANCING

# How near the plane between left and right is known: it goes upright through the brain's centre.
MIDLINE_MM = 5.0
# VASARI F5, F6, F7 and F14: upper ends of the bins in per cent; it words them as 0, < 5, 6-33, 34-67, 68-95, > 95, 100 %.
BINS = ((0, "none"), (5, "up_to_5"), (33, "6_to_33"), (67, "34_to_67"), (95, "68_to_95"))
# VASARI F11: most of the rim is thinner than this (thin), or thick or nodular; without a rim it is solid.
THICK_MM = 3.0
# Far below a voxel, above rounding.
TOLERANCE_MM = 1e-3
# A tumour core of which less than this share does not enhance has no margin around anything: it is solid.
SOLID_SHARE = 0.05
# Voxels of which local thickness is found together, so that a large mask does not fill the memory.
VOXELS_AT_A_TIME = 4_000_000

Bin = Literal["none", "up_to_5", "6_to_33", "34_to_67", "68_to_95", "above_95", "all"]
Side = Literal["left", "right", "bilateral", "midline"]
Epicentre = Literal["left", "right", "centre"]


@dataclass(frozen=True)
class Proportion:
    """Share of a region in the whole tumour's volume, in per cent, and the bin of VASARI that it falls into."""

    percent: float
    bin: Bin


@dataclass(frozen=True)
class Proportions(ByKey):
    """VASARI F5, F6 with F7, and F14; masks do not tell necrosis from tumour that does not enhance."""

    enhancing: Proportion
    core: Proportion
    edema: Proportion


@dataclass(frozen=True)
class MidlineCrossing(ByKey):
    """VASARI F23 and F15: whether a connected part has at least 0.05 mL more than 5 mm beyond the midline on each side."""

    enhancing: bool
    edema: bool


@dataclass(frozen=True)
class Margin:
    """VASARI F11. `thick_percent` of the enhancing volume is at least 3 mm thick; more than half make it thick."""

    kind: Literal["thin", "thick", "solid"]
    thick_percent: float


@dataclass(frozen=True)
class Features:
    """Features after VASARI that follow from the mask.

    side : of the whole tumour; null, as `crosses_midline` and `epicentre`, where the brain's centre is not known
    epicentre : VASARI F2: side of the centre of the largest part of the tumour core, of the whole tumour without any
    foci : separate parts of the whole tumour that hold at least 0.05 mL of tumour core
    focality : VASARI F9, multifocal with two foci or more; null without any
    satellites : VASARI F24: parts of the tumour core with enhancing tumour of at least 0.05 mL, apart from the largest part and
        within the same whole tumour
    margin : null where nothing enhances
    """

    proportions: Proportions
    focality: Literal["focal", "multifocal"] | None
    foci: int
    satellites: int
    side: Side | None = None
    crosses_midline: MidlineCrossing | None = None
    margin: Margin | None = None
    epicentre: Epicentre | None = None


def describe(
    labels: np.ndarray, affine: np.ndarray, brain_centre_mm: Sequence[float] | None
) -> Features | None:
    """Return the features of a tumour, None where nothing is marked.

    labels : (X, Y, Z) network indices; affine : (4, 4) to RAS+ mm
    brain_centre_mm : (3,) RAS+ mm, through which the plane between left and right goes; None where it is unknown
    """
    if not labels.any():
        return None
    foci, satellites = _foci(labels, voxel_ml(affine))
    found = Features(
        proportions=_proportions(labels),
        focality=("multifocal" if foci > 1 else "focal") if foci else None,
        foci=foci,
        satellites=satellites,
        margin=_margin(labels, affine),
    )
    if brain_centre_mm is None:
        return found
    zones, one_ml = _zones(labels.shape, affine, brain_centre_mm), voxel_ml(affine)
    return replace(
        found,
        side=_side(labels > 0, zones, affine, brain_centre_mm),
        epicentre=_epicentre(labels, affine, brain_centre_mm),
        crosses_midline=MidlineCrossing(
            enhancing=_on_both_sides(labels == ENHANCING, zones, one_ml),
            edema=_on_both_sides(labels == EDEMA, zones, one_ml),
        ),
    )


def bin_of(percent: float) -> Bin:
    """Return the bin of a proportion in per cent; what lies between two bins belongs to the higher one."""
    if percent >= 100:
        return "all"
    return next((name for end, name in BINS if percent <= end), "above_95")


def _proportions(labels: np.ndarray) -> Proportions:
    counts = {
        key: int(np.count_nonzero(labels == index))
        for key, index in (("enhancing", ENHANCING), ("core", CORE), ("edema", EDEMA))
    }
    # The bin is that of the exact share: one voxel is not none, and all but one is not all.
    shares = {key: 100 * count / sum(counts.values()) for key, count in counts.items()}
    return Proportions(
        **{key: Proportion(round(share, 2), bin_of(share)) for key, share in shares.items()}
    )


def _foci(labels: np.ndarray, one_ml: float) -> tuple[int, int]:
    """Return how many parts of the whole tumour hold core, and how many satellites the largest core has."""
    wholes = cc3d.connected_components(labels > 0, connectivity=CONNECTIVITY)
    cores = cc3d.connected_components(np.isin(labels, (CORE, ENHANCING)), connectivity=CONNECTIVITY)
    voxels = np.flatnonzero(cores)
    core_of = cores.ravel()[voxels]
    sizes = np.bincount(core_of, minlength=1)
    large = np.flatnonzero(is_large(sizes, one_ml))
    if not large.size:
        return 0, 0
    # All voxels of a core lie in one part of the whole tumour.
    around = np.zeros(len(sizes), wholes.dtype)
    around[core_of] = wholes.ravel()[voxels]
    # VASARI: a region that does not touch the dominant one is a focus of its own outside of its edema, enhancing or not,
    # and a satellite within it if it enhances.
    enhancing = np.bincount(core_of[labels.ravel()[voxels] == ENHANCING], minlength=len(sizes))
    beside = is_large(enhancing, one_ml) & (around == around[sizes.argmax()])
    beside[[0, sizes.argmax()]] = False
    return len(set(around[large].tolist())), int(np.count_nonzero(beside))


def _zones(
    shape: tuple[int, ...], affine: np.ndarray, brain_centre_mm: Sequence[float]
) -> np.ndarray:
    """Return where each voxel lies, (X, Y, Z) int8: 1 right of the midline, -1 left, 0 within MIDLINE_MM of it."""
    i, j, k = np.ogrid[tuple(slice(0, n) for n in shape)]
    steps = affine[0, :3].astype(np.float32)
    right_mm = steps[0] * i + np.float32(affine[0, 3] - brain_centre_mm[0])
    right_mm = right_mm.astype(np.float32) + (steps[1] * j + steps[2] * k).astype(np.float32)
    return (right_mm > MIDLINE_MM).astype(np.int8) - (right_mm < -MIDLINE_MM)


def _side(
    whole: np.ndarray, zones: np.ndarray, affine: np.ndarray, brain_centre_mm: Sequence[float]
) -> Side:
    """Return the side of `Location`; of both sides, midline if one part lies astride with the centre on it."""
    location = locate(whole, affine, brain_centre_mm)
    if location.side != "both":
        return location.side
    aside_mm = abs(location.centre_mm[0] - brain_centre_mm[0])
    astride = _on_both_sides(whole, zones, voxel_ml(affine))
    return "midline" if astride and aside_mm <= MIDLINE_MM else "bilateral"


def _epicentre(
    labels: np.ndarray, affine: np.ndarray, brain_centre_mm: Sequence[float]
) -> Epicentre:
    """Return the side of the centre of the largest part of the tumour core, whether or not it crosses the midline."""
    core = np.isin(labels, (CORE, ENHANCING))
    right_mm = (
        centre_mm(largest(core if core.any() else labels > 0), affine)[0] - brain_centre_mm[0]
    )
    if abs(right_mm) <= MIDLINE_MM:
        return "centre"
    return "right" if right_mm > 0 else "left"


def _on_both_sides(mask: np.ndarray, zones: np.ndarray, one_ml: float) -> bool:
    """Say whether one connected part of a mask has the volume of a lesion beyond MIDLINE_MM on either side."""
    parts = cc3d.connected_components(mask, connectivity=CONNECTIVITY)
    right, left = (
        np.bincount(parts[mask & (zones == zone)], minlength=int(parts.max()) + 1)
        for zone in (1, -1)
    )
    return bool(is_large(np.minimum(right, left), one_ml).any())


def _margin(labels: np.ndarray, affine: np.ndarray) -> Margin | None:
    """Return the class of the enhancing margin; solid where next to nothing of the tumour core does not enhance."""
    enhancing = labels == ENHANCING
    if not enhancing.any():
        return None
    share = thick_share(enhancing, spacing_mm(affine), THICK_MM)
    inner = np.count_nonzero(labels == CORE)
    if inner / (inner + np.count_nonzero(enhancing)) < SOLID_SHARE:
        kind = "solid"
    else:
        kind = "thick" if share > 0.5 else "thin"
    return Margin(kind, round(100 * share, 1))


def thick_share(mask: np.ndarray, edges_mm: Sequence[float], thickness_mm: float) -> float:
    """Return the share of a mask (X, Y, Z) bool, not empty, whose local thickness reaches `thickness_mm`.

    edges_mm : (3,) of a voxel

    Local thickness at a point is the diameter of the largest ball within the mask that holds the point
    (Hildebrand and Rüegsegger, J Microsc 1997; 185:67).
    """
    # Some slices at a time, with as many around them as a ball through them can reach.
    step = max(1, VOXELS_AT_A_TIME // int(np.prod(mask.shape[1:])))
    around, count = int(np.ceil(thickness_mm / edges_mm[0])) + 2, 0
    for start in range(0, len(mask), step):
        first = max(0, start - around)
        thick = _thick(mask[first : start + step + around], np.asarray(edges_mm), thickness_mm / 2)
        count += np.count_nonzero(thick[start - first :][:step])
    return float(count / np.count_nonzero(mask))


def _thick(mask: np.ndarray, edges_mm: np.ndarray, radius_mm: float) -> np.ndarray:
    """Return which voxels of a mask (X, Y, Z) bool lie in a ball of a radius within it."""
    # Imported where it is used: it takes a fifth of the app's start.
    from scipy.ndimage import distance_transform_edt

    padded = np.pad(mask, 1)
    nearest = distance_transform_edt(
        padded, sampling=edges_mm, return_distances=False, return_indices=True
    )
    # To the face of the nearest voxel outside, which lies half an edge nearer than its centre.
    steps = np.abs(nearest - np.indices(padded.shape, dtype=nearest.dtype))
    to_face_mm = np.maximum(steps - np.float32(0.5), 0) * edges_mm[:, None, None, None]
    centres = padded & (np.linalg.norm(to_face_mm, axis=0) >= radius_mm - TOLERANCE_MM)
    if not centres.any():
        return np.zeros_like(mask)
    # Half an edge more: centres of balls lie on voxels, up to an edge deeper than they need to.
    reach_mm = radius_mm + min(edges_mm) / 2 + TOLERANCE_MM
    held = padded & (distance_transform_edt(~centres, sampling=edges_mm) <= reach_mm)
    return held[1:-1, 1:-1, 1:-1]
