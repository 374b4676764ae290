"""Labelled cases resampled to other voxels, as another scanner would give them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy

from model.geometry import labels_to_grid, to_grid
from model.io.case import Case

# Standard deviations in the width of a Gaussian at half of its height.
SIGMAS_OF_WIDTH = 2 * np.sqrt(2 * np.log(2))


def with_voxels(
    case: Case, labels: np.ndarray, edges_mm: Sequence[float]
) -> tuple[Case, np.ndarray]:
    """Return a case and its labels (X, Y, Z) on a grid of other voxels along the same axes.

    edges_mm : voxel edges along X, Y and Z of the file, in mm

    A thicker slice is a mean with a Gaussian profile, whose width at half of its height is the slice's
    thickness. A voxel is background, 0 in every sequence, if most of its volume is.
    """
    ratio = np.asarray(edges_mm) / case.spacing_mm
    shape = tuple(int(length) for length in np.maximum(1, np.rint(case.shape / ratio)))
    # The corner of the volume stays in place, so the centre of its first voxel moves.
    affine = case.affine @ np.diag([*ratio, 1.0])
    affine[:3, 3] = (case.affine @ [*((ratio - 1) / 2), 1.0])[:3]
    sigma = np.sqrt(np.maximum(ratio**2 - 1, 0)) / SIGMAS_OF_WIDTH
    brain = case.data.any(axis=-1).astype(np.float32)
    inside = to_grid(brain, case.affine, shape, affine) >= 0.5
    data = np.zeros((*shape, case.data.shape[-1]), np.float32)
    for channel in case.present:
        blurred = scipy.ndimage.gaussian_filter(case.data[..., channel], sigma)
        data[inside, channel] = to_grid(blurred, case.affine, shape, affine)[inside]
    resampled = replace(case, data=data, affine=affine)
    return resampled, labels_to_grid(labels, case.affine, shape, affine)
