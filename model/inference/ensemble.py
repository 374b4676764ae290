"""From a normalised volume to class probabilities: every network, on every plane, averaged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

from model.card import ModelCard
from model.geometry import bounding_box
from model.inference.engines import Engine
from model.inference.network_inputs import Window, slice_batches
from model.planes import Plane, as_slices
from model.preprocess import Prepared
from model.probabilities import ProbabilityAccumulator


@dataclass(frozen=True)
class View:
    """One pass over a volume: a plane, one of the card's networks (from 0), mirrored or not."""

    plane: Plane
    network: int
    mirrored: bool


@dataclass(frozen=True)
class Ensemble:
    """The views that a model card averages, and the engine that runs its networks."""

    card: ModelCard
    engine: Engine

    def infer(self, prepared: Prepared, advance: Callable[[float], None]) -> ProbabilityAccumulator:
        """Return the averaged class probabilities inside the brain's box.

        The first network's views of the first plane see the whole brain. If the card has a refinement
        threshold, all later views see only what lies near voxels that these think may be tumour. If it has
        an interval of its own for them, the networks see slices in turn: each looks between those of the others.
        Calls `advance` with the share that is done, 0 to 1.
        """
        inference, views = self.card.inference, views_of(self.card)
        whole_brain = sum(v.plane == inference.planes[0] and v.network == 0 for v in views)
        # Once for all views: slices overlap, and converting each of them takes three times as long.
        volume = prepared.volume.astype(np.float32)
        probabilities = ProbabilityAccumulator.empty(volume.shape[:3])
        wanted, interval, turn = prepared.brain, inference.interval, 0

        def advance_in(number: int, fraction: float) -> None:
            advance((number + fraction) / len(views))

        for number, view in enumerate(views):
            if number == whole_brain and inference.refinement_threshold:
                tumour, threshold = probabilities.tumour(), inference.refinement_threshold
                wanted = prepared.brain & near_tumour(tumour, threshold, inference.refinement_cube)
                interval = inference.refinement_interval or interval
                turn = inference.refinement_interval // self.card.networks
            if not wanted.any():
                break
            mirrored = wanted[::-1] if view.mirrored else wanted
            slices = slices_of(mirrored, view.plane, interval, turn * view.network)
            advance_view = partial(advance_in, number)
            self._add_view(volume, wanted, view, slices, probabilities, advance_view)
        return probabilities

    def _add_view(
        self,
        volume: np.ndarray,
        wanted: np.ndarray,
        view: View,
        seen: range,
        probabilities: ProbabilityAccumulator,
        advance: Callable[[float], None],
    ) -> None:
        """Add what one view of the slices `seen` of (X, Y, Z, 4) says of the voxels `wanted`.

        Slices between those that the network saw get shares of their neighbours' probabilities.
        """
        step = -1 if view.mirrored else 1
        volume, wanted = volume[::step], wanted[::step]
        total, weight = (
            as_slices(array[::step], view.plane)
            for array in (probabilities.total, probabilities.weight)
        )

        def receive(window: Window, result: np.ndarray) -> None:
            for index, found in zip(window.indices, result[window.batch], strict=True):
                for other, share in shares(index, seen.step, len(total)):
                    total[other][*window.box] += found if share == 1 else found * np.float32(share)
                    weight[other][*window.box] += np.float32(share)

        self._run_view(volume, wanted, view, seen, receive, advance)

    def _run_view(
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

        def receive_batch(index: int, result: np.ndarray) -> None:
            nonlocal finished
            receive(windows[index], result)
            # Counted, since batches may finish in another order than they began in.
            finished += 1
            advance(min(1.0, finished * self.engine.batch / len(seen)))

        self.engine.run(inputs(), receive_batch, view.network)


def views_of(card: ModelCard) -> list[View]:
    """Return the views that the card averages, plane by plane."""
    mirrored = (False, True) if card.inference.flip else (False,)
    return [View(*view) for view in product(card.inference.planes, range(card.networks), mirrored)]


def slices_of(wanted: np.ndarray, plane: Plane, interval: int, first: int = 0) -> range:
    """Return every so many of the slices that hold voxels of (X, Y, Z) bool, from their `first` one on."""
    (slices,) = bounding_box(as_slices(wanted, plane).any(axis=(1, 2)))
    return range(min(slices.start + first, slices.stop - 1), slices.stop, interval)


def near_tumour(tumour: np.ndarray, threshold: float, edge: int) -> np.ndarray:
    """Return which voxels lie near one where tumour has at least this probability, (X, Y, Z) bool.

    tumour : (X, Y, Z) probabilities

    These are the cubes of `edge` voxels that hold such a voxel, and the cubes around them.
    """
    # As axial slices, each of which lies in one piece.
    found = as_slices(tumour, "axial") >= threshold
    return cubes_around(found, edge).transpose(1, 2, 0)


def cubes_around(found: np.ndarray, edge: int) -> np.ndarray:
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
    """Yield which of `count` slices get a share of slice `index`, and how large a share.

    Linear interpolation between slices that are `interval` apart.
    """
    for other in range(max(0, index - interval + 1), min(count, index + interval)):
        yield other, 1 - abs(other - index) / interval
