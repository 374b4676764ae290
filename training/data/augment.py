"""Random changes to training slices: geometry once per sample, intensity once per sequence.

Every hyper-parameter stands in `Augmentation`. Functions take a NumPy generator, so that a sample
can be replayed from its seed.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from pydantic import ConfigDict

# One process has many samples in flight; OpenCV's own threads would only fight for the cores.
cv2.setNumThreads(1)


@dataclass(frozen=True)
class Augmentation:
    """Ranges are uniform; probabilities are per sample or, for intensity, per sequence.

    flip : by axis, left-right, front-back and up-down
    spatial_share : share of samples that are rotated, scaled and bent; the others keep the scan's own
        voxels, so that borders are learned as sharp as they are seen in use
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    rotation_degrees: float = 25.0
    scale: tuple[float, float] = (0.8, 1.25)
    spatial_share: float = 1.0
    flip: tuple[float, float, float] = (0.5, 0.25, 0.0)
    elastic: float = 0.3
    elastic_amplitude_px: float = 8.0
    elastic_grid: int = 6
    gain: tuple[float, float] = (0.75, 1.3)
    shift: float = 0.3
    gamma: tuple[float, float] = (0.7, 1.5)
    gamma_share: float = 0.3
    bias_field: float = 0.3
    bias_amplitude: float = 0.25
    noise_share: float = 0.3
    noise: float = 0.2
    blur: float = 0.15
    blur_sigma_px: tuple[float, float] = (0.5, 1.2)
    low_resolution: float = 0.1
    low_resolution_factor: tuple[float, float] = (1.5, 2.5)
    sequence_dropout: float = 0.12


def random_sampling(
    rng: np.random.Generator,
    parameters: Augmentation,
    centre: tuple[float, float],
    size: tuple[int, int],
    flip: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns, float32, where a patch of `size` samples its slice.

    `flip` gives the probabilities of reversing rows and columns.
    """
    if parameters.spatial_share < 1 and rng.random() >= parameters.spatial_share:
        # Whole numbers: nothing is interpolated.
        grid = np.meshgrid(*[np.arange(n) - n // 2 for n in size], indexing="ij")
        return tuple(
            (middle + offset * (-1 if rng.random() < share else 1)).astype(np.float32)
            for middle, offset, share in zip(np.round(centre), grid, flip, strict=True)
        )
    rows, columns = np.meshgrid(
        *[np.arange(n, dtype=np.float32) - (n - 1) / 2 for n in size], indexing="ij"
    )
    if rng.random() < parameters.elastic:
        rows, columns = rows + _bend(rng, parameters, size), columns + _bend(rng, parameters, size)
    angle = np.deg2rad(rng.uniform(-1, 1) * parameters.rotation_degrees)
    zoom = 1 / np.exp(rng.uniform(*np.log(parameters.scale)))
    flips = [-1 if rng.random() < share else 1 for share in flip]
    cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
    return (
        (centre[0] + flips[0] * (cos * rows - sin * columns)).astype(np.float32),
        (centre[1] + flips[1] * (sin * rows + cos * columns)).astype(np.float32),
    )


def sample(
    image: np.ndarray, labels: np.ndarray, where: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Read (H, W, C) linearly and labels (H, W) by nearest neighbour at `where`; 0 outside."""
    rows, columns = where
    channels = [
        cv2.remap(image[..., start : start + 4], columns, rows, cv2.INTER_LINEAR)
        for start in range(0, image.shape[-1], 4)
    ]
    return np.concatenate(channels, -1), cv2.remap(labels, columns, rows, cv2.INTER_NEAREST)


def change_intensity(
    rng: np.random.Generator, parameters: Augmentation, image: np.ndarray, sequences: int
) -> np.ndarray:
    """Change (H, W, C) z-scores, each sequence alike in all its slices; 0 stays 0."""
    by_sequence = image.reshape(*image.shape[:2], -1, sequences)
    # One array a sequence: on strides, all that follows takes twice as long.
    alone = [np.ascontiguousarray(by_sequence[..., index]) for index in range(sequences)]
    brain = np.logical_or.reduce([values != 0 for values in alone])
    dropped = rng.integers(sequences) if rng.random() < parameters.sequence_dropout else None
    changed = np.zeros_like(by_sequence)
    for index, values in enumerate(alone):
        if index != dropped and values.any():
            changed[..., index] = _changed(rng, parameters, values) * brain
    return changed.reshape(image.shape)


def _changed(rng: np.random.Generator, parameters: Augmentation, image: np.ndarray) -> np.ndarray:
    """Change one sequence (H, W, slices)."""
    if rng.random() < parameters.blur:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(*parameters.blur_sigma_px))
    if rng.random() < parameters.low_resolution:
        image = _low_resolution(rng, parameters, image)
    if rng.random() < parameters.gamma_share:
        low, high = image.min(), image.max()
        power = np.exp(rng.uniform(*np.log(parameters.gamma)))
        image = low + (high - low) * cv2.pow((image - low) / (high - low + 1e-6), power)
    if rng.random() < parameters.bias_field:
        field = parameters.bias_amplitude * _smooth(rng, 3, image.shape[:2])
        # z-scores are relative to the mean: the field acts on intensity, so on z plus an offset.
        image = image + cv2.merge([field] * image.shape[2]).reshape(image.shape) * (image + 2.0)
    if rng.random() < parameters.noise_share:
        amplitude = rng.uniform(0, parameters.noise)
        image = image + amplitude * _noise(rng, image.shape)
    gain = rng.uniform(*parameters.gain)
    return image * gain + rng.uniform(-parameters.shift, parameters.shift)


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return standard normal noise, float32, from OpenCV's generator: nine times as fast."""
    cv2.setRNGSeed(int(rng.integers(2**31)))
    # OpenCV gives the deviation to the first channel alone, hence one channel.
    return cv2.randn(np.empty((shape[0], int(np.prod(shape[1:]))), np.float32), 0, 1).reshape(shape)


def _low_resolution(rng, parameters: Augmentation, image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    factor = rng.uniform(*parameters.low_resolution_factor)
    size = (int(width / factor), int(height / factor))
    changed = [
        cv2.resize(
            cv2.resize(image[..., start : start + 4], size, interpolation=cv2.INTER_AREA),
            (width, height),
            interpolation=cv2.INTER_LINEAR,
        ).reshape(height, width, -1)
        # OpenCV takes means of areas of four channels at most.
        for start in range(0, image.shape[2], 4)
    ]
    return np.concatenate(changed, -1)


def _bend(rng, parameters: Augmentation, size: tuple[int, int]) -> np.ndarray:
    """Return a smooth displacement, in pixels, of shape `size`."""
    amplitude = rng.uniform(0, parameters.elastic_amplitude_px)
    return amplitude * _smooth(rng, parameters.elastic_grid, size)


def _smooth(rng: np.random.Generator, grid: int, size: tuple[int, int]) -> np.ndarray:
    """Return random values from -1 to 1 on a coarse grid, interpolated to `size`."""
    coarse = rng.uniform(-1, 1, (grid, grid)).astype(np.float32)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
