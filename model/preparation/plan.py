"""What a case needs before the network can see it. Found by measuring; names and headers say too little."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from model.geometry import from_canonical, to_canonical, voxel_ml
from model.io.case import Case, stacked
from model.io.nifti import Volume
from model.io.scans import Scans, in_order_of, on_one_grid
from model.preparation.brain_extraction import BrainExtractor
from model.preparation.registration import Start
from model.preprocess import foreground, stripped_brain

Mode = Literal["auto", "never", "always"]

# One brain mask is applied to all sequences of a prepared case, so that their backgrounds agree: in 24 cases
# at 0.994 or more (Dice of a sequence with all of them together). The phantom's T1ce 5 mm away reaches 0.979.
LEAST_AGREEMENT = 0.985
# Every such voxel along each axis tells whether backgrounds agree.
AGREEMENT_STEP = 2
# What has a background of one value and more volume than this may be a head as well: brains of 36 cases have up
# to 1.83 litres, and thick slices add a rim of some per cent.
DOUBTFUL_ML = 2100.0
# It is a brain if the network finds at least this share of it to be brain.
LEAST_BRAIN_SHARE = 0.8


@dataclass(frozen=True)
class Options:
    """What a user decides about the preparation.

    mode : prepare what needs it (auto), nothing (never), or everything (always)
    start : where registration begins
    """

    mode: Mode = "auto"
    start: Start = "auto"


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    reference : the modality on whose grid the results are
    register : modalities to be registered to it
    extract : whether the brain has to be found in the reference
    case : the scans as they came, where they lie on one grid and came skull-stripped, or nothing may be done
    brains : by modality, the brain (X, Y, Z) bool of those that came skull-stripped
    """

    reference: str
    register: tuple[str, ...] = ()
    extract: bool = False
    case: Case | None = None
    brains: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def nothing(self) -> bool:
        """Whether the case can be segmented as it came."""
        return not self.register and not self.extract


def plan_for(scans: Scans, mode: Mode, extractor: BrainExtractor) -> Plan:
    """Return what scans need. Raises CaseError `grid_mismatch` where nothing may be done."""
    reference = reference_of(scans)
    others = tuple(modality for modality in scans.volumes if modality != reference)
    if mode == "never":
        return Plan(reference, case=stacked(scans))
    if mode == "always":
        return Plan(reference, others, extract=True)
    case = None
    if on_one_grid(scans):
        first, *_ = scans.volumes.values()
        ordered = [in_order_of(volume, first).data for volume in scans.volumes.values()]
        brain = stripped_brain(ordered, voxel_ml(first.affine))
        if brain is not None and _is_brain(brain, scans.volumes[reference], extractor):
            case = replace(stacked(scans), brain=brain)
            if agreement_of_backgrounds(case) >= LEAST_AGREEMENT:
                return Plan(reference, case=case)
    brains = {key: stripped(volume, extractor) for key, volume in scans.volumes.items()}
    brains = {key: brain for key, brain in brains.items() if brain is not None}
    return Plan(reference, others, reference not in brains, case, brains)


def registering(plan: Plan, scans: Scans) -> Plan:
    """Return the plan of a case whose images turned out to be displaced, although its grids agree."""
    others = tuple(modality for modality in scans.volumes if modality != plan.reference)
    brain, _ = to_canonical(plan.case.brain, plan.case.affine)
    brains = {key: from_canonical(brain, volume.affine) for key, volume in scans.volumes.items()}
    return replace(plan, register=others, brains=brains)


def reference_of(scans: Scans) -> str:
    """Return the modality on whose grid results are: T1ce, else the one with the smallest voxels."""
    if "t1ce" in scans.volumes:
        return "t1ce"
    return min(scans.volumes, key=lambda modality: voxel_ml(scans.volumes[modality].affine))


def stripped(volume: Volume, extractor: BrainExtractor) -> np.ndarray | None:
    """Return the brain (X, Y, Z) bool of a scan that came skull-stripped; None for others."""
    brain = stripped_brain([volume.data], voxel_ml(volume.affine))
    return brain if brain is not None and _is_brain(brain, volume, extractor) else None


def agreement_of_backgrounds(case: Case) -> float:
    """Return how well the least agreeing sequence's foreground fits that of all, as Dice.

    A sequence with noise for a background has none of its own, and is left out.
    """
    few = (slice(None, None, AGREEMENT_STEP),) * 3
    brain = case.brain[few]
    found = [foreground(np.ascontiguousarray(case.data[(*few, c)]))[0] for c in case.present]
    agreements = [
        2 * np.count_nonzero(mask & brain) / (np.count_nonzero(mask) + np.count_nonzero(brain))
        for mask in found
        if not mask.all()
    ]
    return min(agreements, default=1.0)


def _is_brain(mask: np.ndarray, volume: Volume, extractor: BrainExtractor) -> bool:
    """Say whether a foreground (X, Y, Z) bool is a brain, not a head in front of a single value."""
    size_ml = np.count_nonzero(mask) * voxel_ml(volume.affine)
    if size_ml <= DOUBTFUL_ML:
        return True
    (coarse,) = extractor.coarse([(volume.data, volume.affine)])
    return coarse.size_ml >= LEAST_BRAIN_SHARE * size_ml
