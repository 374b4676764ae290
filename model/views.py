"""From normalised slices to class probabilities of a volume: views of a scan, and their mean."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from model.card import ModelCard
from model.engines import Engine
from model.labels import CLASSES
from model.preprocess import PLANES, Plane, Prepared, Window, as_slices, slice_batches

# Slabs in X whose classes are chosen at once: a few megabytes, which caches hold.
PART = 8


@dataclass(frozen=True)
class Views:
    """What the card wants to be seen of a scan, and the engine that runs the network on it."""

    card: ModelCard
    engine: Engine

    def infer(
        self, prepared: Prepared, advance: Callable[[float], None]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and confidence, both (X, Y, Z) uint8, in the brain's box.

        Calls `advance` with the share that is done, 0 to 1.
        """
        inference, weights = self.card.inference, self.card.postprocessing.class_weights
        mirrors = (False, True) if inference.flip else (False,)
        views = [(plane, mirror) for plane in inference.planes for mirror in mirrors]
        # Once for all slices: converting each of them three times takes longer.
        prepared = replace(prepared, volume=prepared.volume.astype(np.float32))
        if len(views) == 1:
            return self._infer_alone(prepared, views[0][0], advance)
        total = np.zeros((*prepared.volume.shape[:3], CLASSES), np.float32)
        counted = np.zeros((*total.shape[:3], 1), np.float32)

        def advance_in(number: int, fraction: float) -> None:
            advance((number + fraction) / len(views))

        for number, (plane, mirror) in enumerate(views):
            self._add_view(prepared, plane, mirror, total, counted, partial(advance_in, number))
        return _winners_of_mean(total, counted, weights)

    def _infer_alone(
        self, prepared: Prepared, plane: Plane, advance: Callable[[float], None]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and confidence of a single view.

        Classes are chosen batch by batch, while later batches are being computed.
        """
        labels, confidence = np.zeros((2, *prepared.volume.shape[:3]), np.uint8)
        into = as_slices(labels, plane), as_slices(confidence, plane)

        def receive(window: Window, result: np.ndarray) -> None:
            found = winners(result[window.batch], self.card.postprocessing.class_weights)
            into[0][window.source], into[1][window.source] = found

        self._infer_view(prepared.volume, prepared.brain, plane, 1, receive, advance)
        return labels, confidence

    def _add_view(
        self,
        prepared: Prepared,
        plane: Plane,
        mirror: bool,
        total: np.ndarray,
        counted: np.ndarray,
        advance: Callable[[float], None],
    ) -> None:
        """Add the probabilities of one view to `total` (X, Y, Z, classes), its weights to `counted`.

        Slices between those that the network saw get shares of their neighbours' probabilities.
        """
        inference = self.card.inference
        interval = 1 if plane == inference.planes[0] else inference.interval
        step = -1 if mirror else 1
        into = as_slices(total[::step], plane)
        weights = np.zeros(len(into), np.float32)
        for index in range(0, len(into), interval):
            for other, share in shares(index, interval, len(into)):
                weights[other] += share
        as_slices(counted[::step], plane)[:] += weights.reshape(-1, 1, 1, 1)

        def receive(window: Window, result: np.ndarray) -> None:
            taken, *box = window.source
            indices = range(len(into))[taken]
            for index, found in zip(indices, result[window.batch], strict=True):
                for other, share in shares(index, interval, len(into)):
                    into[other][*box] += found * np.float32(share)

        volume, brain = prepared.volume[::step], prepared.brain[::step]
        self._infer_view(volume, brain, plane, interval, receive, advance)

    def _infer_view(
        self,
        volume: np.ndarray,
        brain: np.ndarray,
        plane: Plane,
        interval: int,
        receive: Callable[[Window, np.ndarray], None],
        advance: Callable[[float], None],
    ) -> None:
        """Run the network on every `interval`-th slice of (X, Y, Z, 4) in one plane.

        Calls `receive(window, probabilities (batch, rows, columns, classes))` batch by batch, and
        `advance` with the share that is done.
        """
        shapes = self.card.inference.shapes
        windows: list[Window] = []
        slices = -(-volume.shape[PLANES[plane][0]] // interval)
        finished = 0

        def inputs() -> Iterator[np.ndarray]:
            parameters, batch = self.card.preprocessing, self.engine.batch
            for inputs, window in slice_batches(
                volume, brain, parameters, plane, shapes, batch, interval
            ):
                windows.append(window)
                yield inputs

        def one(index: int, result: np.ndarray) -> None:
            nonlocal finished
            receive(windows[index], result)
            # Counted, since batches may finish in another order than they began in.
            finished += 1
            advance(min(1.0, finished * self.engine.batch / slices))

        self.engine.run(inputs(), one)


def shares(index: int, interval: int, count: int) -> Iterator[tuple[int, float]]:
    """Yield the slices of `count` to which slice `index` gives a share of itself, and the share.

    Linear interpolation between slices that are `interval` apart.
    """
    for other in range(max(0, index - interval + 1), min(count, index + interval)):
        yield other, 1 - abs(other - index) / interval


def _winners_of_mean(
    total: np.ndarray, counted: np.ndarray, weights: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and confidence of probabilities (X, Y, Z, classes) over how often each counts."""
    labels, confidence = np.zeros((2, *total.shape[:3]), np.uint8)

    def choose(part: slice) -> None:
        labels[part], confidence[part] = winners(total[part] / counted[part], weights)

    parts = [slice(start, start + PART) for start in range(0, len(total), PART)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(choose, parts))
    return labels, confidence


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
