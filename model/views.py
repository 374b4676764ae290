"""From normalised slices to class probabilities of a volume: views of a scan, and their mean."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np

from model.card import ModelCard
from model.engines import Engine
from model.labels import CLASSES
from model.preprocess import (
    PLANES,
    Plane,
    Prepared,
    Window,
    as_slices,
    bounding_box,
    slice_batches,
    slice_major,
)

# Axial slices that are worked on at once: a few megabytes, which caches hold.
PART = 8
# Slices further than this from where the first plane suspects tumour are not looked at again.
ATTENTION_MARGIN = 4


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

    def infer(
        self, prepared: Prepared, advance: Callable[[float], None]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and confidence, both (X, Y, Z) uint8, in the brain's box.

        Calls `advance` with the share that is done, 0 to 1.
        """
        inference, weights = self.card.inference, self.card.postprocessing.class_weights
        views = views_of(self.card)
        first = sum(view.plane == inference.planes[0] for view in views)
        # Once for all slices: converting each of them three times takes longer.
        prepared = replace(prepared, volume=prepared.volume.astype(np.float32))
        mean = Mean.of(prepared.volume.shape[:3])
        region = (slice(None),) * 3

        def advance_in(number: int, fraction: float) -> None:
            advance((number + fraction) / len(views))

        for number, view in enumerate(views):
            if number == first and inference.attention:
                region = mean.tumour_box(inference.attention)
            if region is None:
                break
            self._add_view(prepared, view, region, mean, partial(advance_in, number))
        return mean.chosen(weights)

    def _add_view(
        self,
        prepared: Prepared,
        view: View,
        region: tuple[slice, slice, slice],
        mean: "Mean",
        advance: Callable[[float], None],
    ) -> None:
        """Add the probabilities of one view to `mean`, of the slices in `region` (X, Y, Z).

        Slices between those that the network saw get shares of their neighbours' probabilities.
        """
        interval, step = self.card.inference.interval, -1 if view.mirror else 1
        into, counted = (
            as_slices(array[::step], view.plane) for array in (mean.total, mean.counted)
        )
        start, stop, _ = region[PLANES[view.plane][0]].indices(len(into))
        if view.mirror and view.plane == "sagittal":
            start, stop = len(into) - stop, len(into) - start
        seen = range(start, stop, interval)
        weights = np.zeros(len(into), np.float32)
        for index in seen:
            for other, share in shares(index, interval, len(into)):
                weights[other] += share
        counted += weights.reshape(-1, 1, 1, 1)

        def receive(window: Window, result: np.ndarray) -> None:
            for index, found in zip(window.indices, result[window.batch], strict=True):
                for other, share in shares(index, interval, len(into)):
                    into[other][*window.box] += found if share == 1 else found * np.float32(share)

        volume, brain = prepared.volume[::step], prepared.brain[::step]
        self._infer_view(volume, brain, view, seen, receive, advance)

    def _infer_view(
        self,
        volume: np.ndarray,
        brain: np.ndarray,
        view: View,
        seen: range,
        receive: Callable[[Window, np.ndarray], None],
        advance: Callable[[float], None],
    ) -> None:
        """Run the view's network on the slices `seen` of (X, Y, Z, 4) in its plane.

        Calls `receive(window, probabilities (batch, rows, columns, classes))` batch by batch, and
        `advance` with the share that is done.
        """
        shapes = self.card.inference.shapes
        windows: list[Window] = []
        finished = 0

        def inputs() -> Iterator[np.ndarray]:
            parameters, batch = self.card.preprocessing, self.engine.batch
            for inputs, window in slice_batches(
                volume, brain, parameters, view.plane, shapes, batch, seen
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
    """Return the views that the card averages, plane by plane.

    Where networks share the planes, each sees one of its own and the last all that are left.
    """
    inference, last = card.inference, card.networks - 1
    views = []
    for number, plane in enumerate(inference.planes):
        networks = [min(number, last)] if inference.share_planes else range(card.networks)
        mirrors = (False, True) if inference.flip else (False,)
        views += [View(plane, *pair) for pair in product(networks, mirrors)]
    return views


@dataclass(frozen=True)
class Mean:
    """Class probabilities that are being averaged.

    total : (X, Y, Z, classes) float32, their sum
    counted : (X, Y, Z, 1) float32, how often each voxel counts in it
    """

    total: np.ndarray
    counted: np.ndarray

    @classmethod
    def of(cls, shape: tuple[int, int, int]) -> "Mean":
        return cls(slice_major((*shape, CLASSES), np.float32), slice_major((*shape, 1), np.float32))

    def tumour_box(self, probability: float) -> tuple[slice, slice, slice] | None:
        """Return the box, ATTENTION_MARGIN wider, of where tumour is at least this probable.

        None where it is nowhere.
        """
        # Axial slices lie in one piece each.
        slices, counted = as_slices(self.total, "axial"), as_slices(self.counted, "axial")
        found = np.zeros(slices.shape[:3], bool)

        def look(part: slice) -> None:
            tumour = slices[part, ..., 1:].sum(axis=-1)
            found[part] = tumour >= probability * counted[part, ..., 0]

        _by_parts(look, len(found))
        if not found.any():
            return None
        return tuple(
            slice(max(0, cut.start - ATTENTION_MARGIN), cut.stop + ATTENTION_MARGIN)
            for cut in bounding_box(found.transpose(1, 2, 0))
        )

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
