"""A synthetic patient: a brain-shaped phantom with a tumour of known regions.

It is the demo case and what tests use in place of real data. Tissue contrasts follow the usual
appearance in each sequence (T1: white matter brightest; T2: fluid brightest; FLAIR: fluid dark,
edema bright; T1ce: enhancing rim bright), not any scanner's physics.
"""

from pathlib import Path

import numpy as np
import scipy

from model.io.case import Case
from model.io.modalities import MODALITIES
from model.io.nifti import write_mask, write_scan
from model.labels import CORE, EDEMA, ENHANCING, to_file_values

SHAPE = (176, 208, 160)
# LPS, as BraTS files are.
AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])
NAME = "synthetic_demo"
# Tissue: fluid, grey matter, white matter, then the tumour's regions.
CONTRASTS = {
    "flair": {"fluid": 90, "grey": 330, "white": 270, CORE: 250, EDEMA: 620, ENHANCING: 470},
    "t1": {"fluid": 140, "grey": 400, "white": 560, CORE: 270, EDEMA: 400, ENHANCING: 420},
    "t1ce": {"fluid": 140, "grey": 420, "white": 570, CORE: 260, EDEMA: 410, ENHANCING: 960},
    "t2": {"fluid": 900, "grey": 430, "white": 310, CORE: 760, EDEMA: 680, ENHANCING: 520},
}


def make_case(
    seed: int = 0, *, shape: tuple[int, int, int] = SHAPE, affine: np.ndarray = AFFINE
) -> tuple[Case, np.ndarray]:
    """Return a case and its labels (X, Y, Z) uint8 (network indices) on the case's grid.

    `shape` at 1 mm; the phantom scales with it, so that tests can have a small one.
    """
    rng = np.random.default_rng(seed)
    # Coordinates from -1 to 1 along each axis, in voxel order of the file.
    axes = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in shape], indexing="ij")
    scale = min(shape) / 160
    radius = np.sqrt(sum((x / r) ** 2 for x, r in zip(axes, (0.82, 0.86, 0.86), strict=True)))
    # Two hemispheres with a fissure between them, and a cortex of folds of a few millimetres.
    folds = _noise(rng, shape, 3.2 * scale)
    surface = radius + 0.012 * _noise(rng, shape, 14 * scale)
    fissure = (np.abs(axes[0]) < 0.016) & (radius > 0.62)
    brain = surface < 1
    sulci = brain & ((surface + 0.045 * folds > 0.985) | fissure)
    white = surface + 0.05 * folds < 0.87
    ventricles = _ventricles(axes) + 0.15 * _noise(rng, shape, 6 * scale) < 1
    labels = np.where(brain, _tumour(rng, axes, shape, scale), 0).astype(np.uint8)
    white &= ~(np.abs(axes[0]) < 0.04) | (radius < 0.62)
    tissue = {"grey": brain, "white": white, "fluid": sulci | ventricles}
    regions = {index: labels == index for index in (EDEMA, ENHANCING, CORE)}
    # Texture of tissue and the coil's field are the patient's and the scanner's: one for all four.
    texture, field = _noise(rng, shape, 3 * scale), _noise(rng, shape, 40 * scale)
    shading = 1 + 0.03 * texture + 0.06 * field
    volume = np.empty((len(MODALITIES), *shape), np.float32)
    for channel, modality in enumerate(MODALITIES):
        volume[channel] = _image(rng, CONTRASTS[modality], tissue | regions, brain, shading)
    return Case(np.moveaxis(volume, 0, -1), affine), labels


def write_demo_case(folder: Path, seed: int = 0) -> dict[str, Path]:
    """Write the synthetic case, scans and expert mask, into `folder`; return the scans' paths."""
    folder.mkdir(parents=True, exist_ok=True)
    case, labels = make_case(seed)
    paths = {modality: folder / f"{NAME}_{modality}.nii.gz" for modality in MODALITIES}
    for channel, path in enumerate(paths.values()):
        write_scan(path, np.rint(case.data[..., channel]).astype(np.int16), case.affine)
    write_mask(folder / f"{NAME}_seg.nii.gz", to_file_values(labels), case.affine)
    return paths


def _noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """Return smooth noise of unit deviation; made on a coarse grid, since it has no detail."""
    step = max(1, int(sigma / 2))
    coarse = [-(-n // step) + 1 for n in shape]
    noise = scipy.ndimage.gaussian_filter(rng.standard_normal(coarse, np.float32), sigma / step)
    for axis, length in enumerate(shape):
        noise = _stretched(noise, axis, length)
    return noise / noise.std()


def _stretched(array: np.ndarray, axis: int, length: int) -> np.ndarray:
    """Interpolate linearly to `length` along one axis, as one matrix product."""
    old = np.arange(array.shape[axis])
    new = np.linspace(0, old[-1], length, dtype=np.float32)
    weights = np.maximum(0, 1 - np.abs(new[:, None] - old)).astype(np.float32)
    return np.moveaxis(np.tensordot(weights, array, (1, axis)), 0, axis)


def _ventricles(axes: list[np.ndarray]) -> np.ndarray:
    """Return a field that is below 1 in two lateral, curved ventricles."""
    x, y, z = axes
    bend = np.abs(x) - 0.12 - 0.10 * y**2
    return np.sqrt((bend / 0.075) ** 2 + ((y - 0.02) / 0.42) ** 2 + ((z - 0.12) / 0.20) ** 2)


def _tumour(
    rng: np.random.Generator, axes: list[np.ndarray], shape: tuple[int, ...], scale: float
) -> np.ndarray:
    """Return labels of one tumour: necrotic core in an enhancing rim in lobed edema."""
    side = rng.choice([-1.0, 1.0])
    centre = (side * rng.uniform(0.30, 0.42), rng.uniform(-0.35, 0.35), rng.uniform(0.0, 0.35))
    extent_mm = [n * 0.5 for n in shape]
    distance = (
        np.sqrt(sum(((x - c) * e) ** 2 for x, c, e in zip(axes, centre, extent_mm, strict=True)))
        / scale
    )
    wobble = _noise(rng, shape, 7 * scale)
    rim = rng.uniform(15, 20)
    labels = np.zeros(shape, np.uint8)
    labels[distance + 4.0 * wobble < rim + rng.uniform(9, 14)] = EDEMA
    labels[distance + 1.5 * wobble < rim] = ENHANCING
    labels[distance + 1.5 * wobble < rim - rng.uniform(4, 6)] = CORE
    return labels


def _image(
    rng: np.random.Generator, contrast: dict, masks: dict, brain: np.ndarray, shading: np.ndarray
) -> np.ndarray:
    """Paint the masks in order, blur to partial volumes, add shading and noise."""
    image = np.zeros(brain.shape, np.float32)
    for tissue, mask in masks.items():
        image[mask] = contrast[tissue]
    image = scipy.ndimage.gaussian_filter(image, 0.7) * shading
    image += 14 * rng.standard_normal(brain.shape, np.float32)
    return np.where(brain, np.maximum(image, 1), 0)
