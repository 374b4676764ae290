"""Which voxels of a head scan are brain: two small 3-D networks, coarse then fine.

The networks are those of deepbet 1.0.2 (Fisch et al., 2024, "deepbet: Fast brain extraction of T1-weighted
MRI using Convolutional Neural Networks", Computers in Biology and Medicine 179), as OpenVINO models:

    head's box -> 128 x 128 x 128 -> coarse mask -> its box, enlarged -> 256 x 256 x 256 -> fine mask -> scan

They were trained on T1-weighted scans of healthy people, whose heads fill the field of view: much air around a
head is left out, or they find its outside. The coarse one finds the brain in the other
sequences as well, roughly; the fine one is asked of the reference only.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import scipy

from model.components import largest_component, without_holes
from model.errors import CaseError
from model.geometry import bounding_box, from_canonical, to_canonical, voxel_ml
from model.preparation.brain_card import (
    BRAIN_DIR,
    COARSE,
    FINE,
    read_brain_card,
    verified_network,
)

# What the networks were trained on; see the module's docstring.
COARSE_EDGE, FINE_EDGE = 128, 256
CLIP_PERCENTILES = (0.5, 99.5)
MEAN, DEVIATION = 0.449, 0.226
# What is brighter than this share of the range is head; air around its box further than this is left out.
HEAD_SHARE, AIR_MARGIN = 0.1, 3 / COARSE_EDGE
# A slice belongs to the coarse brain's box when more than this share of it is brain.
LEAST_SHARE = 0.02
# The box is enlarged on each side by this share of its size.
BOX_MARGIN = 0.1
# Networks find something in any volume; less than this many millilitres is no brain.
LEAST_BRAIN_ML = 400.0
# On the native scans at hand both networks agree by 0.96 and more (Dice); on a leg each found something else.
LEAST_AGREEMENT = 0.85


@dataclass(frozen=True)
class CoarseBrain:
    """Where the brain of one scan roughly is.

    mask : (128, 128, 128) bool, over a box of the scan in canonical order
    box : the part of the scan that holds the head
    limits : intensities between which the networks see the scan
    shape, affine : the scan's canonical grid
    """

    mask: np.ndarray
    box: tuple[slice, ...]
    limits: tuple[float, float]
    shape: tuple[int, int, int]
    affine: np.ndarray

    @property
    def size_ml(self) -> float:
        """The volume of the mask."""
        edges = self._box_shape / self.mask.shape
        return float(np.count_nonzero(self.mask) * edges.prod() * voxel_ml(self.affine))

    def on_grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the mask with as much around it that it covers the whole scan, bool, and its affine (4, 4)."""
        edges = self._box_shape / self.mask.shape
        start = np.array([cut.start for cut in self.box])
        stop = np.array([cut.stop for cut in self.box])
        before = np.ceil(start / edges).astype(int)
        after = np.ceil((self.shape - stop) / edges).astype(int)
        first = start + (edges - 1) / 2 - before * edges
        affine = self.affine @ nib.affines.from_matvec(np.diag(edges), first)
        return np.pad(self.mask, list(zip(before, after, strict=True))), affine

    def on_scan(self) -> np.ndarray:
        """Return the mask on the scan's canonical grid, (X, Y, Z) bool."""
        found = np.zeros(self.shape, bool)
        found[self.box] = sampled(self.mask, found[self.box].shape)
        return found

    @property
    def _box_shape(self) -> np.ndarray:
        return np.array([cut.stop - cut.start for cut in self.box])


class BrainExtractor:
    """The two networks. Each is compiled when it is used and let go after: the fine one holds 0.5 GB."""

    def __init__(self, folder: Path = BRAIN_DIR):
        self._folder = folder

    def coarse(self, volumes: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[CoarseBrain]:
        """Return where the brain roughly is in scans, each (X, Y, Z) float32 with its affine (4, 4).

        Raises CaseError `no_brain` if one shows none.
        """
        # Side by side but for the network, which uses all cores.
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            heads = pool.map(lambda volume: _head(*to_canonical(*volume)), volumes)
            network = self._compiled(COARSE)
            inputs = list(heads)
            found = [network(head.volume[None, None])[0][0, 1] > 0.5 for head in inputs]
            return list(pool.map(_coarse, inputs, found))

    def fine(self, data: np.ndarray, affine: np.ndarray, coarse: CoarseBrain) -> np.ndarray:
        """Return the brain mask (X, Y, Z) bool of a scan whose coarse brain is known.

        Raises CaseError `no_brain`.
        """
        canonical, _ = to_canonical(data, affine)
        box = enlarged(bounding_box_of(coarse.mask), coarse, canonical.shape)
        cut = canonical[box]
        small = standardised(sampled(cut, (FINE_EDGE,) * 3), coarse.limits)
        found = self._compiled(FINE)(small[None, None])[0][0, 1]
        mask = np.zeros(canonical.shape, bool)
        # Tidied on the network's own grid: a large scan has many times its voxels.
        mask[box] = sampled(without_holes(largest_component(found > 0.5)), cut.shape)
        size, expected = np.count_nonzero(mask), coarse.on_scan()
        agreement = 2 * np.count_nonzero(mask & expected) / (size + np.count_nonzero(expected))
        if size * voxel_ml(affine) < LEAST_BRAIN_ML or agreement < LEAST_AGREEMENT:
            raise no_brain()
        return from_canonical(mask, affine)

    def _compiled(self, name: str):
        """Verify and compile a network. Raises ModelError."""
        # Imported here: prepared cases do without it where TensorFlow runs.
        import openvino as ov

        path = verified_network(self._folder, read_brain_card(self._folder), name)
        return ov.Core().compile_model(path, "CPU", {"PERFORMANCE_HINT": "LATENCY"})


@dataclass(frozen=True)
class _Head:
    """What the coarse network sees of a scan, (128, 128, 128) float32; the rest as in CoarseBrain."""

    volume: np.ndarray
    box: tuple[slice, ...]
    limits: tuple[float, float]
    shape: tuple[int, int, int]
    affine: np.ndarray


def _head(data: np.ndarray, affine: np.ndarray) -> _Head:
    box = head_box(data)
    small = sampled(data[box], (COARSE_EDGE,) * 3)
    low, high = (float(value) for value in np.percentile(small, CLIP_PERCENTILES))
    if low == high:
        raise no_brain()
    return _Head(standardised(small, (low, high)), box, (low, high), data.shape, affine)


def _coarse(head: _Head, brain: np.ndarray) -> CoarseBrain:
    coarse = CoarseBrain(largest_component(brain), head.box, head.limits, head.shape, head.affine)
    if coarse.size_ml < LEAST_BRAIN_ML:
        raise no_brain()
    return coarse


def no_brain() -> CaseError:
    return CaseError(
        "no_brain",
        f"No whole brain of at least {LEAST_BRAIN_ML:g} mL was found in the scan.",
        "Upload scans of a whole head, with voxel sizes in mm in their headers.",
    )


def head_box(data: np.ndarray) -> tuple[slice, ...]:
    """Return the box of a scan (X, Y, Z) that holds the head, with a little air around it."""
    small = sampled(data, (COARSE_EDGE,) * 3).astype(np.float32)
    low, high = np.percentile(small, CLIP_PERCENTILES)
    smooth = scipy.ndimage.uniform_filter(np.clip(small, low, high), 3)
    head = largest_component(smooth > low + HEAD_SHARE * (high - low))
    if not head.any():
        return tuple(slice(0, length) for length in data.shape)
    return tuple(
        slice(
            max(0, int((cut.start / COARSE_EDGE - AIR_MARGIN) * length)),
            min(length, int(np.ceil((cut.stop / COARSE_EDGE + AIR_MARGIN) * length))),
        )
        for cut, length in zip(bounding_box(head), data.shape, strict=True)
    )


def sampled(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return (X, Y, Z) on a grid of `shape` over the same extent, each voxel the nearest one's value."""
    places = [
        np.minimum((np.arange(wanted) + 0.5) * (length / wanted), length - 1).astype(np.intp)
        for wanted, length in zip(shape, array.shape, strict=True)
    ]
    return array[np.ix_(*places)]


def standardised(volume: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return (X, Y, Z) float32 clipped to `limits`, with the mean and deviation that the networks know."""
    low, high = limits
    clipped = (np.clip(volume, low, high) - low) / (high - low)
    scores = (clipped - clipped.mean()) / max(float(clipped.std()), np.finfo(np.float32).eps)
    return (DEVIATION * scores + MEAN).astype(np.float32)


def bounding_box_of(mask: np.ndarray) -> tuple[slice, ...]:
    """Return the box of the slices of (X, Y, Z) bool that are brain by more than LEAST_SHARE."""
    shares = [mask.mean(axis=others) for others in ((1, 2), (0, 2), (0, 1))]
    if any((share <= LEAST_SHARE).all() for share in shares):
        return bounding_box(mask)
    return tuple(bounding_box(share > LEAST_SHARE)[0] for share in shares)


def enlarged(
    box: tuple[slice, ...], coarse: CoarseBrain, shape: tuple[int, ...]
) -> tuple[slice, ...]:
    """Return a box of a coarse mask on the scan, of `shape`, enlarged by BOX_MARGIN."""
    result = []
    for cut, head, edge, length in zip(box, coarse.box, coarse.mask.shape, shape, strict=True):
        voxels = (head.stop - head.start) / edge
        centre = head.start + round((cut.start + cut.stop) / 2 * voxels)
        half = round((cut.stop - cut.start) * voxels * (1 + 2 * BOX_MARGIN)) / 2
        result.append(slice(max(0, int(centre - half)), min(length, int(centre + half))))
    return tuple(result)
