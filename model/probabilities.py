"""Class probabilities of a volume, summed up slice by slice and view by view."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from model.labels import CLASSES, REGIONS
from model.planes import as_slices, slice_major

# Axial slices that one thread works on at a time: a few megabytes, which caches hold.
SLICES_PER_BLOCK = 8


@dataclass(frozen=True)
class ProbabilityAccumulator:
    """Sums of class probabilities, and the weights that turn them into means.

    total : (X, Y, Z, classes) float32, sum of the probabilities that were added
    weight : (X, Y, Z, 1) float32, how often each voxel was added; a tiny number where it never was,
        so that the mean there is 0
    """

    total: np.ndarray
    weight: np.ndarray

    @classmethod
    def empty(cls, shape: tuple[int, int, int]) -> "ProbabilityAccumulator":
        """Return an accumulator for a volume of `shape`, to which nothing has been added."""
        total, weight = (slice_major((*shape, count), np.float32) for count in (CLASSES, 1))
        weight[:] = np.finfo(np.float32).tiny
        return cls(total, weight)

    def tumour(self) -> np.ndarray:
        """Return the mean probability of tumour of any class, (X, Y, Z) float32."""
        found = slice_major(self.total.shape[:3], np.float32)
        arrays = (self.total, self.weight, found)
        total, weight, into = (as_slices(array, "axial") for array in arrays)

        def add(block: slice) -> None:
            # One class after the other: NumPy's sum over an axis of three is many times slower.
            classes = [total[block, ..., region.index] for region in REGIONS]
            into[block] = sum(classes[1:], classes[0]) / weight[block, ..., 0]

        _by_blocks(add, len(total))
        return found

    def cut(self, box: tuple[slice, ...]) -> "ProbabilityAccumulator":
        """Return a view of the probabilities in a box."""
        return ProbabilityAccumulator(self.total[box], self.weight[box])

    def by_slices(self, where: np.ndarray) -> np.ndarray:
        """Return the mean probabilities of the n voxels `where`, (n, classes) float32, slice by slice.

        That is how they lie in memory: quicker than `of` where there are many.
        """
        places = as_slices(where, "axial")
        return as_slices(self.total, "axial")[places] / as_slices(self.weight, "axial")[places]

    def of(self, where: np.ndarray, classes: tuple[int, ...]) -> np.ndarray:
        """Return the mean probability that one of `classes` is in the voxels `where`, (n,) float32."""
        found = self.total[where][:, list(classes)].sum(axis=1)
        return found / self.weight[where][:, 0]

    def confidence(self, where: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return the mean probability of the class (n,) of each of the n voxels `where`, uint8; 255 is 1."""
        found = np.take_along_axis(self.total[where], labels[:, None].astype(np.intp), axis=1)
        return np.rint(found[:, 0] / self.weight[where][:, 0] * 255).astype(np.uint8)

    def strongest(self, class_weights: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and confidence, (X, Y, Z) uint8; see `strongest_class`."""
        labels, confidence = (slice_major(self.total.shape[:3], np.uint8) for _ in range(2))
        arrays = (self.total, self.weight, labels, confidence)
        total, weight, into_labels, into_confidence = (as_slices(a, "axial") for a in arrays)

        def choose(block: slice) -> None:
            found = strongest_class(total[block] / weight[block], class_weights)
            into_labels[block], into_confidence[block] = found

        _by_blocks(choose, len(total))
        return labels, confidence


def strongest_class(
    probabilities: np.ndarray, class_weights: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the class that is most probable once weighted, and its unweighted probability.

    probabilities : (..., classes)

    Both are (...) uint8; 255 is a probability of 1. This passes over whole arrays a few times:
    NumPy's `argmax` over an axis of four is many times slower.
    """
    labels = np.zeros(probabilities.shape[:-1], np.uint8)
    best, confidence = probabilities[..., 0] * class_weights[0], probabilities[..., 0].copy()
    for index in range(1, CLASSES):
        probability = probabilities[..., index]
        weighted = probability * class_weights[index]
        better = weighted > best
        labels[better] = index
        np.copyto(confidence, probability, where=better)
        np.maximum(best, weighted, out=best)
    return labels, np.rint(confidence * 255).astype(np.uint8)


def calibrated(probability: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities with their log-odds divided by `temperature`.

    Networks are more certain than they are right (Guo et al., 2017, who divide all classes' logits;
    here it is the class against the others).
    """
    odds = 1 / np.clip(probability, np.finfo(np.float32).tiny, 1.0) - 1
    return 1 / (1 + odds ** (1 / temperature))


def _by_blocks(work: Callable[[slice], None], length: int) -> None:
    """Call `work` with slices that cover `length` axial slices, on all cores."""
    starts = range(0, length, SLICES_PER_BLOCK)
    with ThreadPoolExecutor() as pool:
        list(pool.map(work, [slice(start, start + SLICES_PER_BLOCK) for start in starts]))
