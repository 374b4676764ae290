"""The serving path: a checked case in, a label volume on the same grid out."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from model.card import DEFAULT_DIR, ModelCard, read_card
from model.case import Case
from model.engines import DeviceName, Engine, EngineName, load_engine
from model.geometry import (
    canonical_grid,
    centre_mm,
    from_canonical,
    is_isotropic_1mm,
    labels_to_grid,
    shifted,
    to_grid,
)
from model.labels import CLASSES
from model.modalities import TITLES
from model.plausibility import implausibilities
from model.postprocess import tidied
from model.preprocess import (
    PLANES,
    Plane,
    Prepared,
    Window,
    as_slices,
    prepare,
    slice_batches,
)

# Share of the whole job at which each stage ends, for the progress bar.
STAGES = {"preprocess": 0.25, "inference": 0.9, "postprocess": 1.0}
Progress = Callable[[str, float], None]
ORDINALS = {2: "second", 3: "third"}
Quality = Literal["accurate", "fast"]
# Regions for which a warning tells what a missing sequence costs, as they stand in its sentence.
WARNED_REGIONS = {"WT": "the whole tumour", "TC": "tumour core", "ET": "enhancing tumour"}


@dataclass(frozen=True)
class Segmentation:
    """The result on the grid of the scans.

    labels : (X, Y, Z) uint8, network indices
    confidence : (X, Y, Z) uint8, probability of the chosen class, 255 = certain
    affine : (4, 4)
    brain_voxels : voxels of the scans' grid that hold brain
    brain_centre_mm : the brain's centre of mass, RAS+ mm
    """

    labels: np.ndarray
    confidence: np.ndarray
    affine: np.ndarray
    brain_voxels: int
    brain_centre_mm: tuple[float, float, float]
    timings_s: dict[str, float]
    warnings: tuple[str, ...]


class Segmenter:
    """A loaded model."""

    def __init__(self, card: ModelCard, engine: Engine):
        self.card, self._engine = card, engine

    @classmethod
    def load(
        cls,
        model_dir: Path | None = None,
        *,
        engine: EngineName = "auto",
        device: DeviceName = "auto",
        quality: Quality = "accurate",
    ) -> "Segmenter":
        """Verify and load the artefact in `model_dir`. Raises ModelError.

        `quality`: average all views that the card names, or take its first plane alone (`fast`).
        """
        folder = Path(model_dir or DEFAULT_DIR)
        card = read_card(folder)
        if quality == "fast":
            first = replace(card.inference, planes=card.inference.planes[:1], flip=False)
            card = replace(card, inference=first)
        return cls(card, load_engine(folder, card, engine, device))

    @property
    def engine_name(self) -> str:
        return self._engine.name

    @property
    def device(self) -> str:
        """What ran, as text for people: the engine's device and the views of a scan it averaged."""
        inference = self.card.inference
        first, *others = inference.planes
        every = ORDINALS.get(inference.interval, f"{inference.interval}th")
        thinned = f"every {every} " if others and inference.interval > 1 else ""
        planes = ", ".join([first, *([thinned + ", ".join(others)] if others else [])])
        mirrored = " and mirrored" if inference.flip else ""
        return f"{self._engine.device}; {planes}{mirrored} slices"

    def segment(self, case: Case, progress: Progress | None = None) -> Segmentation:
        """Segment one case. Raises CaseError `no_brain`."""
        report = progress or (lambda stage, fraction: None)
        clock = _Clock()
        report("preprocess", 0.0)
        prepared = prepare(case, self.card.preprocessing)
        clock.lap("preprocess")
        labels, confidence = self._infer(prepared, report)
        clock.lap("inference")
        report("postprocess", STAGES["inference"])
        labels = tidied(np.where(prepared.brain, labels, 0), self.card.postprocessing)
        labels, confidence, brain = _to_source(prepared, case, labels, confidence)
        centre = centre_mm(prepared.brain, _box_affine(prepared))
        clock.lap("postprocess")
        report("postprocess", 1.0)
        warnings = _warnings(prepared, case, labels, self.card.scores)
        return Segmentation(labels, confidence, case.affine, brain, centre, clock.laps, warnings)

    def _infer(self, prepared: Prepared, report: Progress) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and confidence, both (X, Y, Z) uint8, in the brain's box."""
        mirrors = (False, True) if self.card.inference.flip else (False,)
        views = [(plane, mirror) for plane in self.card.inference.planes for mirror in mirrors]
        low, high = STAGES["preprocess"], STAGES["inference"]

        def advance(number: int, fraction: float) -> None:
            report("inference", low + (high - low) * (number + fraction) / len(views))

        # Once for all slices: converting each of them three times takes longer.
        prepared = replace(prepared, volume=prepared.volume.astype(np.float32))
        if len(views) == 1:
            return self._infer_alone(prepared, views[0][0], partial(advance, 0))
        total = np.zeros((*prepared.volume.shape[:3], CLASSES), np.float32)
        weights = np.zeros((*total.shape[:3], 1), np.float32)
        for number, (plane, mirror) in enumerate(views):
            self._add_view(prepared, plane, mirror, total, weights, partial(advance, number))
        total /= weights
        return winners(total, self.card.postprocessing.class_weights)

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
        weights: np.ndarray,
        advance: Callable[[float], None],
    ) -> None:
        """Add the probabilities of one view to `total` (X, Y, Z, classes), its weights to `weights`.

        Slices between those that the network saw get shares of their neighbours' probabilities.
        """
        inference = self.card.inference
        interval = 1 if plane == inference.planes[0] else inference.interval
        step = -1 if mirror else 1
        into = as_slices(total[::step], plane)
        counted = np.zeros(len(into), np.float32)
        for index in range(0, len(into), interval):
            for other, share in shares(index, interval, len(into)):
                counted[other] += share
        as_slices(weights[::step], plane)[:] += counted.reshape(-1, 1, 1, 1)

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
            parameters, batch = self.card.preprocessing, self._engine.batch
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
            advance(min(1.0, finished * self._engine.batch / slices))

        self._engine.run(inputs(), one)


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


class _Clock:
    """Seconds of wall time by stage."""

    def __init__(self):
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round(now - self._last, 4)
        self._last = now


def _box_affine(prepared: Prepared) -> np.ndarray:
    return shifted(prepared.affine, [cut.start for cut in prepared.box])


def _to_source(
    prepared: Prepared, case: Case, labels: np.ndarray, confidence: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Take labels and confidence from the brain's box back to the grid of the scans."""
    whole_labels = np.zeros(prepared.shape, np.uint8)
    whole_labels[prepared.box] = labels
    # Outside the brain the network was not asked: background, for certain.
    whole_confidence = np.full(prepared.shape, 255, np.uint8)
    whole_confidence[prepared.box] = np.where(prepared.brain, confidence, 255)
    brain = np.count_nonzero(prepared.brain) / float(np.prod(case.spacing_mm))
    if not is_isotropic_1mm(case.affine):
        grid = canonical_grid(case.shape, case.affine)
        whole_labels = labels_to_grid(whole_labels, prepared.affine, *grid)
        blurred = to_grid(whole_confidence.astype(np.float32), prepared.affine, *grid)
        whole_confidence = np.rint(blurred).astype(np.uint8)
    return (
        from_canonical(whole_labels, case.affine),
        from_canonical(whole_confidence, case.affine),
        round(brain),
    )


def missing_warning(modality: str, scores: dict[str, Any]) -> str:
    """Return what to say of a case without `modality`; `scores` are those of the model card."""
    without = scores.get("without", {}).get(modality)
    start = f"No {TITLES[modality]} was given."
    if without is None:
        return f"{start} How much the accuracy suffers without it was not measured."
    *parts, last = (
        f"{without[short]:.2f} instead of {scores['regions'][short]['dice']:.2f} for {region}"
        for short, region in WARNED_REGIONS.items()
    )
    return (
        f"{start} On {scores['patients']} patients not trained on, Dice without it was "
        f"{', '.join(parts)} and {last}."
    )


def _warnings(
    prepared: Prepared, case: Case, labels: np.ndarray, scores: dict[str, Any]
) -> tuple[str, ...]:
    warnings = [missing_warning(modality, scores) for modality in case.missing]
    warnings += implausibilities(prepared, case)
    if not prepared.stripped:
        warnings.append(
            "The scans do not look skull-stripped. The model was trained on skull-stripped scans; "
            "expect false marks outside the brain."
        )
    if not is_isotropic_1mm(case.affine):
        spacing = " x ".join(f"{mm:.2g}" for mm in case.spacing_mm)
        warnings.append(
            f"The voxels are {spacing} mm; the scans were resampled to 1 mm for the model and the "
            "mask back to the uploaded grid."
        )
    if not labels.any():
        warnings.append("The model marked no voxels. This is no statement about the patient.")
    return tuple(warnings)
