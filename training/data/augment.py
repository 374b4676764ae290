"""Random changes to training slices: geometry once per sample, intensity once per sequence.

All parameters are in `training.settings.Augmentation`. Functions take a NumPy generator, so that a
sample can be drawn again from its seed.
"""

from collections.abc import Callable

import cv2
import numpy as np

from training.settings import Augmentation

# One process has many samples in flight; OpenCV's own threads would only fight for the cores.
cv2.setNumThreads(1)
# Most that OpenCV's resizing by areas and its warping work with.
CHANNELS_AT_ONCE = 4


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
        # Whole numbers, so that nothing is interpolated.
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
    values = by_channels(lambda part: cv2.remap(part, columns, rows, cv2.INTER_LINEAR), image)
    return values, cv2.remap(labels, columns, rows, cv2.INTER_NEAREST)


def change_intensity(
    rng: np.random.Generator, parameters: Augmentation, image: np.ndarray, sequences: int
) -> np.ndarray:
    """Change (H, W, C) z-scores, each sequence alike in all its slices; 0 stays 0."""
    by_sequence = image.reshape(*image.shape[:2], -1, sequences)
    # A contiguous array for each sequence: on strides, the rest takes twice as long.
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
        field = parameters.bias_amplitude * smooth(rng, 3, image.shape[:2])
        # A field scales intensities. These are z-scores plus an offset, since z is relative to the mean.
        image = image + cv2.merge([field] * image.shape[2]).reshape(image.shape) * (image + 2.0)
    if rng.random() < parameters.noise_share:
        amplitude = rng.uniform(0, parameters.noise)
        image = image + amplitude * _noise(rng, image.shape)
    gain = rng.uniform(*parameters.gain)
    return image * gain + rng.uniform(-parameters.shift, parameters.shift)


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return standard normal noise, float32, from OpenCV's generator: nine times as fast."""
    cv2.setRNGSeed(int(rng.integers(2**31)))
    # With several channels, OpenCV applies the deviation only to the first; hence one channel.
    return cv2.randn(np.empty((shape[0], int(np.prod(shape[1:]))), np.float32), 0, 1).reshape(shape)


def _low_resolution(rng, parameters: Augmentation, image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    factor = rng.uniform(*parameters.low_resolution_factor)
    size = (int(width / factor), int(height / factor))
    return by_channels(
        lambda part: cv2.resize(
            cv2.resize(part, size, interpolation=cv2.INTER_AREA),
            (width, height),
            interpolation=cv2.INTER_LINEAR,
        ),
        image,
    )


def by_channels(change: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> np.ndarray:
    """Apply an OpenCV function to an image (H, W, C), as many channels at once as it can."""
    parts = [
        change(image[..., start : start + CHANNELS_AT_ONCE])
        for start in range(0, image.shape[2], CHANNELS_AT_ONCE)
    ]
    # OpenCV drops the last axis of a single channel.
    return np.concatenate([part.reshape(*part.shape[:2], -1) for part in parts], -1)


def _bend(rng, parameters: Augmentation, size: tuple[int, int]) -> np.ndarray:
    """Return a smooth displacement, in pixels, of shape `size`."""
    amplitude = rng.uniform(0, parameters.elastic_amplitude_px)
    return amplitude * smooth(rng, parameters.elastic_grid, size)


def smooth(rng: np.random.Generator, grid: int, size: tuple[int, int]) -> np.ndarray:
    """Return random values from -1 to 1 on a coarse grid, interpolated to `size`."""
    coarse = rng.uniform(-1, 1, (grid, grid)).astype(np.float32)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
