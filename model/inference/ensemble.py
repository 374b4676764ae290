"""From normalised slices to class probabilities of a volume: views of a scan, and their mean."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

from model.card import ModelCard
from model.geometry import bounding_box
from model.inference.engines import Engine
from model.inference.network_inputs import Window, slice_batches
from model.labels import CLASSES, REGIONS
from model.planes import Plane, as_slices, slice_major
from model.preprocess import Prepared

# Axial slices that are worked on at once: a few megabytes, which caches hold.
PART = 8
# Edge in voxels of the cubes in which suspected tumour is looked at again, with those around them.
ATTENTION_CUBE = 8


@dataclass(frozen=True)
class View:
    """What one of the card's networks, counted from 0, makes of a plane or of its mirror image."""

    plane: Plane
    network: int
    mirror: bool


@dataclass(frozen=True)
class Views:
    """What the card wants to be seen of a scan, and the engine that runs the networks on it."""

    card: ModelCard
    engine: Engine

    def infer(self, prepared: Prepared, advance: Callable[[float], None]) -> "Mean":
        """Return the mean of all views of what lies in the brain's box.

        Calls `advance` with the share that is done, 0 to 1.
        """
        inference, views = self.card.inference, views_of(self.card)
        first = sum(view.plane == inference.planes[0] and view.network == 0 for view in views)
        # Once for all slices: converting each of them three times takes longer.
        volume = prepared.volume.astype(np.float32)
        mean = Mean.of(volume.shape[:3])
        wanted = prepared.brain

        def advance_in(number: int, fraction: float) -> None:
            advance((number + fraction) / len(views))

        for number, view in enumerate(views):
            if number == first and inference.attention:
                wanted = prepared.brain & mean.suspected(inference.attention)
            if not wanted.any():
                break
            self._add_view(volume, wanted, view, mean, partial(advance_in, number))
        return mean

    def _add_view(
        self,
        volume: np.ndarray,
        wanted: np.ndarray,
        view: View,
        mean: "Mean",
        advance: Callable[[float], None],
    ) -> None:
        """Add the probabilities that one view of (X, Y, Z, 4) gives to voxels that are `wanted`.

        Slices between those that the network saw get shares of their neighbours' probabilities.
        """
        interval, step = self.card.inference.interval, -1 if view.mirror else 1
        volume, wanted = volume[::step], wanted[::step]
        into, counted = (
            as_slices(array[::step], view.plane) for array in (mean.total, mean.counted)
        )
        (slices,) = bounding_box(as_slices(wanted, view.plane).any(axis=(1, 2)))
        seen = range(slices.start, slices.stop, interval)

        def receive(window: Window, result: np.ndarray) -> None:
            for index, found in zip(window.indices, result[window.batch], strict=True):
                for other, share in shares(index, interval, len(into)):
                    into[other][*window.box] += found if share == 1 else found * np.float32(share)
                    counted[other][*window.box] += np.float32(share)

        self._infer_view(volume, wanted, view, seen, receive, advance)

    def _infer_view(
        self,
        volume: np.ndarray,
        wanted: np.ndarray,
        view: View,
        seen: range,
        receive: Callable[[Window, np.ndarray], None],
        advance: Callable[[float], None],
    ) -> None:
        """Run the view's network on the slices `seen` of (X, Y, Z, 4), where voxels are `wanted`.

        Calls `receive(window, probabilities (batch, rows, columns, classes))` batch by batch, and
        `advance` with the share that is done.
        """
        windows: list[Window] = []
        finished = 0

        def inputs() -> Iterator[np.ndarray]:
            parameters, engine = self.card.preprocessing, self.engine
            for inputs, window in slice_batches(
                volume, wanted, parameters, view.plane, engine.shapes, engine.batch, seen
            ):
                windows.append(window)
                yield inputs

        def one(index: int, result: np.ndarray) -> None:
            nonlocal finished
            receive(windows[index], result)
            # Counted, since batches may finish in another order than they began in.
            finished += 1
            advance(min(1.0, finished * self.engine.batch / len(seen)))

        self.engine.run(inputs(), one, view.network)


def views_of(card: ModelCard) -> list[View]:
    """Return the views that the card averages, plane by plane."""
    mirrors = (False, True) if card.inference.flip else (False,)
    return [View(*view) for view in product(card.inference.planes, range(card.networks), mirrors)]


@dataclass(frozen=True)
class Mean:
    """Class probabilities that are being averaged.

    total : (X, Y, Z, classes) float32, their sum
    counted : (X, Y, Z, 1) float32, how often each voxel counts in it; never quite 0, so that what no
        view was asked about divides to 0
    """

    total: np.ndarray
    counted: np.ndarray

    @classmethod
    def of(cls, shape: tuple[int, int, int]) -> "Mean":
        total, counted = (slice_major((*shape, count), np.float32) for count in (CLASSES, 1))
        counted[:] = np.finfo(np.float32).tiny
        return cls(total, counted)

    def suspected(self, probability: float) -> np.ndarray:
        """Say of which voxels more should be learnt, (X, Y, Z) bool.

        Those are the cubes of ATTENTION_CUBE voxels that hold one where tumour is at least this
        probable, and the cubes around them.
        """
        # Axial slices lie in one piece each.
        found = as_slices(self.tumour(), "axial") >= probability
        return near(found, ATTENTION_CUBE).transpose(1, 2, 0)

    def tumour(self) -> np.ndarray:
        """Return the probability of tumour of any class, (X, Y, Z) float32."""
        found = slice_major(self.total.shape[:3], np.float32)
        arrays = (self.total, self.counted, found)
        total, counted, into = (as_slices(array, "axial") for array in arrays)

        def add(part: slice) -> None:
            # One after the other: NumPy's sum over three neighbours takes many times as long.
            classes = [total[part, ..., region.index] for region in REGIONS]
            into[part] = sum(classes[1:], classes[0]) / counted[part, ..., 0]

        _by_parts(add, len(total))
        return found

    def confidence(self, where: np.ndarray, region: int) -> np.ndarray:
        """Return the probability of one class in the voxels `where`, uint8; 255 is 1."""
        found = self.total[where][:, region] / self.counted[where][:, 0]
        return np.rint(found * 255).astype(np.uint8)

    def chosen(self, weights: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and confidence, (X, Y, Z) uint8; see the function `winners`."""
        labels, confidence = (slice_major(self.total.shape[:3], np.uint8) for _ in range(2))
        arrays = (self.total, self.counted, labels, confidence)
        total, counted, into_labels, into_confidence = (as_slices(a, "axial") for a in arrays)

        def choose(part: slice) -> None:
            found = winners(total[part] / counted[part], weights)
            into_labels[part], into_confidence[part] = found

        _by_parts(choose, len(total))
        return labels, confidence


def _by_parts(work: Callable[[slice], None], length: int) -> None:
    """Call `work` with slices that make up `length`, on all cores."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(work, [slice(start, start + PART) for start in range(0, length, PART)]))


def near(found: np.ndarray, edge: int) -> np.ndarray:
    """Return the cubes of `edge` voxels of a bool volume that hold True, and those around them."""
    padded = np.pad(found, [(0, -length % edge) for length in found.shape])
    blocks = [part for length in padded.shape for part in (length // edge, edge)]
    cubes = padded.reshape(blocks).any(axis=(1, 3, 5))
    for axis in range(cubes.ndim):
        along = cubes.swapaxes(0, axis)
        before, after = along[:-1].copy(), along[1:].copy()
        along[1:] |= before
        along[:-1] |= after
    for axis in range(cubes.ndim):
        cubes = cubes.repeat(edge, axis)
    return cubes[tuple(slice(length) for length in found.shape)]


def shares(index: int, interval: int, count: int) -> Iterator[tuple[int, float]]:
    """Yield the slices of `count` to which slice `index` gives a share of itself, and the share.

    Linear interpolation between slices that are `interval` apart.
    """
    for other in range(max(0, index - interval + 1), min(count, index + interval)):
        yield other, 1 - abs(other - index) / interval


def winners(probabilities: np.ndarray, weights: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the class of (..., classes) that is strongest once weighted, and its probability.

    Both uint8; 255 is a probability of 1. A few passes over whole arrays: NumPy's `argmax` over
    four neighbours is many times slower.
    """
    labels = np.zeros(probabilities.shape[:-1], np.uint8)
    best, confidence = probabilities[..., 0] * weights[0], probabilities[..., 0].copy()
    for index in range(1, CLASSES):
        probability = probabilities[..., index]
        weighted = probability * weights[index]
        better = weighted > best
        labels[better] = index
        np.copyto(confidence, probability, where=better)
        np.maximum(best, weighted, out=best)
    return labels, np.rint(confidence * 255).astype(np.uint8)
