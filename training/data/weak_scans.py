"""Random changes to training slices: what weaker scanners, and preparation of native scans, leave.

Sequences that are out of step by a fraction of a millimetre, thick slices, a rim of scalp that brain
extraction left, brain that it cut off. Parameters are in `training.settings.WeakScans`; functions take
a NumPy generator, so that a sample can be drawn again from its seed. A patch is (H, W, C), its channels
slice by slice, in each of them one for each sequence.
"""

import cv2
import numpy as np

from model.planes import PLANES, Plane
from training.data.augment import by_channels, smooth
from training.settings import WeakScans

# Intensities of what lies outside the brain, in z-scores of it: from air in bone to fat.
RIM_LEVELS = (-2.0, 3.0)
# Texture of the rim, a standard deviation in z-scores.
RIM_TEXTURE = 0.4
# Knots of the smooth fields that say where a rim is left or brain is cut off.
FIELD_GRID = 4


def weakened(
    rng: np.random.Generator,
    parameters: WeakScans,
    image: np.ndarray,
    labels: np.ndarray,
    plane: Plane,
    sequences: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a patch (H, W, C) and its labels (H, W) as a weaker scanner or preparation leaves them.

    Each sequence is moved and thickened by itself; rim and cut are of all sequences together.
    """
    by_sequence = image.reshape(*image.shape[:2], -1, sequences)
    alone = [np.ascontiguousarray(by_sequence[..., index]) for index in range(sequences)]
    for index, values in enumerate(alone):
        if values.any():
            if rng.random() < parameters.misregistration:
                values = moved(rng, parameters, values)
            if rng.random() < parameters.thick:
                values = thickened(values, rng.uniform(*parameters.thickness_mm), plane)
        alone[index] = values
    changed = np.stack(alone, axis=-1)
    if rng.random() < parameters.rim:
        changed = with_rim(rng, parameters, changed)
    if rng.random() < parameters.cut:
        changed, labels = with_cut(rng, parameters, changed, labels)
    return changed.reshape(image.shape), labels


def moved(rng: np.random.Generator, parameters: WeakScans, image: np.ndarray) -> np.ndarray:
    """Shift one sequence (H, W, slices) in its plane, by up to `misregistration_px` along each axis."""
    rows, columns = rng.uniform(-1, 1, 2) * parameters.misregistration_px
    matrix = np.float32([[1, 0, columns], [0, 1, rows]])
    size = image.shape[1::-1]
    return by_channels(lambda part: cv2.warpAffine(part, matrix, size), image)


def thickened(image: np.ndarray, thickness_mm: float, plane: Plane) -> np.ndarray:
    """Return one sequence (H, W, slices) at 1 mm as thick axial slices, interpolated, show it.

    In axial patches the slices become more alike; in the others detail is lost from bottom to top.
    """
    axis = PLANES[plane].index(2)
    if axis == 0:
        mean = image.mean(axis=2, keepdims=True)
        return image + np.float32(1 - 1 / thickness_mm) * (mean - image)
    height, width = image.shape[:2]
    small = [width, height]
    # OpenCV's sizes are (columns, rows).
    small[2 - axis] = max(1, round(small[2 - axis] / thickness_mm))
    return by_channels(
        lambda part: cv2.resize(
            cv2.resize(part, small, interpolation=cv2.INTER_AREA), (width, height)
        ),
        image,
    )


def with_rim(rng: np.random.Generator, parameters: WeakScans, image: np.ndarray) -> np.ndarray:
    """Return (H, W, slices, sequences) with tissue left around a part of the brain."""
    brain = (image != 0).any(axis=(2, 3))
    width = int(rng.integers(1, parameters.rim_px + 1))
    around = cv2.dilate(brain.view(np.uint8), _disc(width)) > 0
    where = around & ~brain & (smooth(rng, FIELD_GRID, brain.shape) > 0)
    image = image.copy()
    shape = (np.count_nonzero(where), image.shape[2])
    for index in range(image.shape[3]):
        # A sequence that is missing has no rim either.
        if image[..., index].any():
            level = rng.uniform(*RIM_LEVELS)
            image[where, :, index] = level + RIM_TEXTURE * rng.standard_normal(shape)
    return image


def with_cut(
    rng: np.random.Generator, parameters: WeakScans, image: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (H, W, slices, sequences) and labels (H, W) with a part of the brain's edge removed."""
    brain = (image != 0).any(axis=(2, 3))
    depth = int(rng.integers(1, parameters.cut_px + 1))
    inner = cv2.erode(brain.view(np.uint8), _disc(depth)) > 0
    lost = brain & ~inner & (smooth(rng, FIELD_GRID, brain.shape) > 0)
    return np.where(lost[..., None, None], 0, image), np.where(lost, 0, labels)


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
