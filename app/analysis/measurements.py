"""Measurements of a label volume: pure functions; sizes come from the affine alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.analysis import features, lesion_names, lesions
from app.analysis.features import Features
from app.analysis.lesion_names import NamedLesion
from app.analysis.lesions import Location
from app.analysis.rano import Rano, measure_rano
from app.analysis.values import (
    AreasMm2,
    ByKey,
    Confidence,
    PercentOfBrain,
    PlaneSlices,
    Slices,
    VolumesMl,
)
from model.geometry import bounding_box, shifted, to_canonical, voxel_ml
from model.labels import CLASSES, DERIVED, ENHANCING, REGIONS

# The axis of a canonical (RAS+) volume along which the slices of a plane are counted.
PLANE_AXES = {"axial": 2, "coronal": 1, "sagittal": 0}
VOLUME_KEYS = VolumesMl.names()
# Network indices by key of region and derived region.
INDICES = {region.key: (region.index,) for region in REGIONS} | DERIVED


@dataclass(frozen=True)
class Lesions(ByKey):
    """How many connected lesions (26 neighbours) of at least 0.05 mL there are."""

    whole_tumor: int
    enhancing: int


@dataclass(frozen=True)
class Measurements:
    """What is null stands for nothing marked, or for a case of an earlier version."""

    volumes_ml: VolumesMl
    brain_ml: float
    voxel_ml: float
    slices: Slices
    percent_of_brain: PercentOfBrain | None = None
    confidence: Confidence | None = None
    rano: Rano | None = None
    lesions: Lesions | None = None
    location: Location | None = None
    areas_mm2: AreasMm2 | None = None
    features: Features | None = None
    named_lesions: tuple[NamedLesion, ...] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no voxel is marked."""
        return self.volumes_ml.whole_tumor == 0


def volumes_ml(labels: np.ndarray, affine: np.ndarray) -> VolumesMl:
    """Return mL by region and derived region; `labels` is (X, Y, Z) network indices."""
    counts = np.bincount(labels.ravel(), minlength=CLASSES)
    one = voxel_ml(affine)
    return VolumesMl(
        **{key: _rounded(counts[list(INDICES[key])].sum() * one) for key in VOLUME_KEYS}
    )


def percent_of_brain(volumes: VolumesMl, brain_ml: float) -> PercentOfBrain | None:
    """Return volumes in mL as per cent of the brain, None if there is no brain."""
    if not brain_ml:
        return None
    return PercentOfBrain(**{key: round(100 * ml / brain_ml, 4) for key, ml in volumes.items()})


def mean_confidence(labels: np.ndarray, confidence: np.ndarray) -> Confidence:
    """Return the mean probability of the chosen class, 0 to 1, by region; None for empty ones.

    labels, confidence : (X, Y, Z) uint8, 255 = certain. How near they are to the share of voxels
    that is right is measured on other patients; in a single case it may be far.
    """
    marked = labels > 0
    found, probability = labels[marked], confidence[marked]
    counts = np.bincount(found, minlength=CLASSES)
    sums = np.bincount(found, probability, minlength=CLASSES) / 255

    def mean_of(classes: list[int]) -> float | None:
        count = counts[classes].sum()
        return round(float(sums[classes].sum() / count), 4) if count else None

    return Confidence(**{key: mean_of(list(INDICES[key])) for key in VOLUME_KEYS})


def areas_mm2(mask: np.ndarray, affine: np.ndarray) -> dict[str, np.ndarray]:
    """Return the area of every slice of a canonical mask (X, Y, Z) bool, (slices,) by plane.

    An area times the distance between the planes of its slices adds up to the volume.
    """
    areas = {}
    for plane, axis in PLANE_AXES.items():
        first, second = (other for other in range(3) if other != axis)
        pixel_mm2 = np.linalg.norm(np.cross(affine[:3, first], affine[:3, second]))
        areas[plane] = np.count_nonzero(mask, axis=(first, second)) * pixel_mm2
    return areas


def measure(
    labels: np.ndarray,
    affine: np.ndarray,
    confidence: np.ndarray | None,
    *,
    brain_voxels: int,
    brain_centre_mm: Sequence[float] | None,
) -> Measurements:
    """Return all measurements of a segmentation on the grid of its scan.

    labels : (X, Y, Z) uint8 network indices; affine : (4, 4); confidence : (X, Y, Z) uint8,
    255 = certain, None for a corrected mask; brain_voxels : on the same grid;
    brain_centre_mm : (3,) RAS+ mm, None where it is not known

    Indices of slices and voxel coordinates count in the canonical order of the scan's own grid, as
    in the viewer: from 0 towards right, anterior and superior.
    """
    canonical, grid = to_canonical(labels, affine)
    # Everything below needs the tumour alone, which is a small part of the volume.
    box = bounding_box(canonical) if canonical.any() else (slice(0, 0),) * 3
    start = [cut.start for cut in box]
    tumour, part = np.ascontiguousarray(canonical[box]), shifted(grid, start)
    volumes, brain_ml = volumes_ml(tumour, affine), _rounded(brain_voxels * voxel_ml(affine))
    whole, enhancing = tumour > 0, tumour == ENHANCING
    areas = _in_whole(areas_mm2(whole, part), canonical.shape, box)
    diameters = measure_rano(enhancing, part)
    location = brain_centre_mm and lesions.locate(whole, part, brain_centre_mm)
    return Measurements(
        volumes_ml=volumes,
        brain_ml=brain_ml,
        voxel_ml=_rounded(voxel_ml(affine)),
        slices=Slices(**{plane: _slices(area) for plane, area in areas.items()}),
        percent_of_brain=percent_of_brain(volumes, brain_ml),
        confidence=_confidence_in(box, tumour, confidence, affine),
        rano=diameters.moved(start) if diameters else None,
        lesions=Lesions(
            whole_tumor=lesions.count(whole, voxel_ml(affine)),
            enhancing=lesions.count(enhancing, voxel_ml(affine)),
        ),
        location=location or None,
        areas_mm2=AreasMm2(
            **{plane: tuple(np.round(area, 2).tolist()) for plane, area in areas.items()}
        ),
        features=features.describe(tumour, part, brain_centre_mm),
        named_lesions=tuple(
            one.moved(start) for one in lesion_names.listed(whole, part, brain_centre_mm)
        ),
    )


def _slices(areas: np.ndarray) -> PlaneSlices:
    """Return how many slices a plane has, and which has the largest of the areas (slices,)."""
    return PlaneSlices(len(areas), int(areas.argmax()) if areas.any() else None)


def _confidence_in(
    box: tuple[slice, ...], tumour: np.ndarray, confidence: np.ndarray | None, affine: np.ndarray
) -> Confidence | None:
    """Return the mean confidence by region of a box's canonical labels, None without any."""
    if confidence is None:
        return None
    probability, _ = to_canonical(confidence, affine)
    return mean_confidence(tumour, probability[box])


def _in_whole(
    areas: dict[str, np.ndarray], shape: tuple[int, ...], box: tuple[slice, ...]
) -> dict[str, np.ndarray]:
    """Return the areas of a box's slices (slices of the box,) as those of all slices."""
    whole = {}
    for plane, axis in PLANE_AXES.items():
        whole[plane] = np.zeros(shape[axis])
        whole[plane][box[axis]] = areas[plane]
    return whole


def _rounded(ml: float) -> float:
    """Round to a thousandth of a cubic millimetre, far below a voxel, to cut floating-point noise."""
    return round(float(ml), 6)
