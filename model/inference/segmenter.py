"""Segmentation of a checked case: labels on the grid of its scans."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from model.card import DEFAULT_DIR, ModelCard, Provenance, read_card
from model.geometry import (
    canonical_grid,
    centre_mm,
    from_canonical,
    is_isotropic_1mm,
    labels_to_grid,
    shifted,
    to_grid,
    voxel_ml,
)
from model.inference.engines import (
    DeviceName,
    Engine,
    EngineName,
    PrecisionName,
    load_engine,
    warm_up,
)
from model.inference.ensemble import Ensemble
from model.io.case import Case
from model.postprocess import postprocess
from model.preprocess import Prepared, prepare
from model.quality import expected_by_region
from model.small_lesions import small_uncertain
from model.warnings import CaseWarning, case_warnings

# Share of the whole job at which each stage ends, for the progress bar.
STAGES = {"preprocess": 0.25, "inference": 0.9, "postprocess": 1.0}
Progress = Callable[[str, float], None]
Quality = Literal["accurate", "fast"]


@dataclass(frozen=True)
class Segmentation:
    """The result on the grid of the scans.

    labels : (X, Y, Z) uint8, network indices
    confidence : (X, Y, Z) uint8, probability of the chosen class, 255 = certain
    affine : (4, 4)
    brain : (X, Y, Z) bool
    brain_voxels : how many voxels of the scans' grid the brain fills
    brain_centre_mm : the brain's centre of mass, RAS+ mm
    expected_dice : what the model expects by region, as far as marked; see `model/quality.py`
    """

    labels: np.ndarray
    confidence: np.ndarray
    affine: np.ndarray
    brain: np.ndarray
    brain_voxels: int
    brain_centre_mm: tuple[float, float, float]
    timings_s: dict[str, float]
    warnings: tuple[CaseWarning, ...]
    provenance: Provenance
    expected_dice: dict[str, float] = field(default_factory=dict)


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
        precision: PrecisionName = "auto",
        quality: Quality = "accurate",
    ) -> "Segmenter":
        """Verify and load the artefact in `model_dir`. Raises ModelError.

        `quality`: average all views that the card names, or take its first plane and network alone (`fast`).
        """
        folder = Path(model_dir or DEFAULT_DIR)
        card = card_for(folder, quality)
        return cls(card, load_engine(folder, card, engine, device, precision))

    @property
    def provenance(self) -> Provenance:
        """What computes the results of this segmenter."""
        engine, card = self._engine, self.card
        views = card.inference.views
        return Provenance(engine.name, engine.device, engine.precision, card.networks, views)

    def warm_up(self) -> None:
        """Run every network once on each usual shape; at loading few were run."""
        for network in range(self.card.networks):
            warm_up(self._engine, self.card, self._engine.warm_shapes, network)

    def preprocess(self, case: Case) -> Prepared:
        """Return what the network sees of a case. Raises CaseError `no_brain`."""
        return prepare(case, self.card.preprocessing)

    def segment(
        self, case: Case, progress: Progress | None = None, prepared: Prepared | None = None
    ) -> Segmentation:
        """Segment one case; `prepared` is what `preprocess` gave, where it was called before.

        Raises CaseError `no_brain`.
        """
        report = progress or (lambda stage, fraction: None)
        clock = _Clock()
        report("preprocess", 0.0)
        prepared = prepared or self.preprocess(case)
        clock.lap("preprocess")
        low, high = STAGES["preprocess"], STAGES["inference"]
        probabilities = Ensemble(self.card, self._engine).infer(
            prepared, lambda fraction: report("inference", low + (high - low) * fraction)
        )
        clock.lap("inference")
        report("postprocess", STAGES["inference"])
        parameters = self.card.postprocessing.for_case(complete=not case.missing)
        labels, confidence = postprocess(probabilities, prepared.brain, parameters)
        small = small_uncertain(labels, confidence)
        expected = expected_by_region(probabilities, labels)
        labels, confidence, brain = _to_source(prepared, case, labels, confidence)
        # Counted at 1 mm, where the network saw it.
        voxels = round(np.count_nonzero(prepared.brain) * 0.001 / voxel_ml(case.affine))
        centre = centre_mm(prepared.brain, _box_affine(prepared))
        clock.lap("postprocess")
        report("postprocess", 1.0)
        warnings = case_warnings(prepared, case, labels, self.card.scores, small, expected)
        return Segmentation(
            labels,
            confidence,
            case.affine,
            brain,
            voxels,
            centre,
            clock.laps,
            warnings,
            self.provenance,
            expected,
        )


def card_for(folder: Path, quality: Quality) -> ModelCard:
    """Return the card of an artefact, with what is averaged in `quality`. Raises ModelError."""
    card = read_card(folder)
    if quality == "fast":
        inference = card.inference
        first = replace(
            inference, planes=inference.planes[:1], flip=False, refinement_threshold=0.0
        )
        card = replace(card, inference=first, networks=1)
    return card


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
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take labels, confidence and brain from the brain's box back to the grid of the scans."""
    whole_labels = np.zeros(prepared.shape, np.uint8)
    whole_labels[prepared.box] = labels
    # Outside the brain all is background, with certainty.
    whole_confidence = np.full(prepared.shape, 255, np.uint8)
    whole_confidence[prepared.box] = np.where(prepared.brain, confidence, 255)
    whole_brain = np.zeros(prepared.shape, bool)
    whole_brain[prepared.box] = prepared.brain
    if not is_isotropic_1mm(case.affine):
        grid = canonical_grid(case.shape, case.affine)
        whole_labels = labels_to_grid(whole_labels, prepared.affine, *grid)
        blurred = to_grid(whole_confidence.astype(np.float32), prepared.affine, *grid)
        whole_confidence = np.rint(blurred).astype(np.uint8)
        share = to_grid(whole_brain.astype(np.float32), prepared.affine, *grid)
        whole_brain = share >= 0.5
    return (
        from_canonical(whole_labels, case.affine),
        from_canonical(whole_confidence, case.affine),
        from_canonical(whole_brain, case.affine),
    )
