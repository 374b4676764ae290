"""A head of known shape around a skull-stripped brain: meninges, skull, scalp, eyes and neck.

What is outside a brain cannot be had back, but its layers and their contrasts are known. Thicknesses are
those of adults, rounded; contrasts are shares of the brain's median in each sequence.
"""

from dataclasses import replace

import numpy as np
import scipy

from model.components import without_holes
from model.geometry import to_canonical
from model.io.case import Case

# From the brain outwards: name, thickness in mm, and intensity in FLAIR, T1, T1ce, T2.
LAYERS = (
    ("fluid", 3.0, (0.25, 0.3, 0.35, 2.2)),
    ("inner table", 2.0, (0.05, 0.05, 0.05, 0.05)),
    ("marrow", 3.0, (0.5, 0.9, 0.9, 0.7)),
    ("outer table", 2.0, (0.05, 0.05, 0.05, 0.05)),
    ("fat", 4.0, (1.3, 1.7, 1.7, 1.3)),
    ("skin", 2.0, (0.7, 0.7, 1.0, 0.6)),
)
MUSCLE = (0.6, 0.65, 0.75, 0.5)
EYE = (0.3, 0.3, 0.3, 2.4)
EYE_RADIUS_MM, NECK_RADIUS_MM = 12.0, 52.0
# What surrounds the brain's volume, in voxels of 1 mm, before and after along RAS+; the neck is below.
PADDING = ((24, 24), (24, 30), (50, 24))
NOISE = 0.02


def with_head(case: Case, rng: np.random.Generator) -> Case:
    """Return a stripped case of 1 mm voxels in RAS+ order with a head around its brain."""
    data, affine = to_canonical(case.data, case.affine)
    data = np.pad(data, (*PADDING, (0, 0)))
    affine = affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ [before for before, _ in PADDING]
    brain = without_holes(scipy.ndimage.binary_closing(data.any(axis=-1), iterations=3))
    distance = scipy.ndimage.distance_transform_edt(~brain)
    texture = (
        1
        + 0.1 * scipy.ndimage.gaussian_filter(rng.standard_normal(brain.shape, np.float32), 2.0) * 8
    )
    outside = ~data.any(axis=-1)
    for channel in case.present:
        level = float(np.median(data[..., channel][~outside]))
        image = _around(distance, brain, channel) * level * texture
        image = scipy.ndimage.gaussian_filter(image, 0.6)
        image += NOISE * level * np.abs(rng.standard_normal(brain.shape, np.float32))
        data[..., channel] = np.where(outside, image, data[..., channel])
    return replace(case, data=data, affine=affine, placing=None, brain=None)


def _around(distance: np.ndarray, brain: np.ndarray, channel: int) -> np.ndarray:
    """Return the intensities (X, Y, Z) around a brain, as shares of its median."""
    x, y, z = np.ogrid[tuple(slice(length) for length in distance.shape)]
    places = np.argwhere(brain)
    low, high, centre = places.min(axis=0), places.max(axis=0), places.mean(axis=0)
    image = np.zeros(distance.shape, np.float32)
    radius = np.sqrt((x - centre[0]) ** 2 + (y - centre[1] + 10) ** 2)
    image[(radius < NECK_RADIUS_MM) & (z < low[2] + 25)] = MUSCLE[channel]
    inner = 0.0
    for _, thickness, intensities in LAYERS:
        image[(distance > inner) & (distance <= inner + thickness)] = intensities[channel]
        inner += thickness
    image[distance == 0] = LAYERS[0][2][channel]
    for side in (-1, 1):
        eye = (centre[0] + side * 32, high[1] + 6, low[2] + 35)
        inside = sum((axis - at) ** 2 for axis, at in zip((x, y, z), eye, strict=True))
        image[(inside < EYE_RADIUS_MM**2) & ~brain] = EYE[channel]
    return image
