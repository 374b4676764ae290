"""Labelled cases taken apart again: sequences as a hospital has them, each on a grid of its own.

Each sequence of a prepared case is turned and shifted, as if the patient had moved between sequences,
cut into thick slices along one of three planes, and stored in any of the orders that files come in. With
a head, scalp, skull and eyes of known shape are put around the brain first.
"""

from dataclasses import dataclass

import nibabel as nib
import numpy as np
import scipy

from model.geometry import labels_to_grid, to_canonical
from model.io.case import Case
from model.io.modalities import MODALITIES
from model.io.nifti import Volume, placing_of_affine

# How a patient moves between sequences, at most.
MOST_DEGREES, MOST_MM = 15.0, 15.0
# Slices, and voxels in them, in mm.
THICKNESS_MM, IN_PLANE_MM = (3.0, 6.0), (0.5, 1.2)
# Slices may be tilted against the head by this many degrees.
MOST_TILT_DEGREES = 8.0
# What a field of view holds around the head.
MARGIN_MM = 12.0


@dataclass(frozen=True)
class TakenApart:
    """The sequences of one case, by modality.

    volumes : each on its own grid
    motions : (4, 4), from mm of the case to mm of the sequence, as its header has them
    """

    volumes: dict[str, Volume]
    motions: dict[str, np.ndarray]

    def labels_on(self, modality: str, labels: np.ndarray, affine: np.ndarray) -> np.ndarray:
        """Return the labels (X, Y, Z) uint8 of the case, whose affine is given, on a sequence's grid."""
        volume = self.volumes[modality]
        moved = self.motions[modality] @ affine
        return labels_to_grid(labels, moved, volume.data.shape, volume.affine)


def taken_apart(case: Case, rng: np.random.Generator) -> TakenApart:
    """Return the sequences of a prepared case as a hospital has them; see the module's docstring."""
    data, affine = to_canonical(case.data, case.affine)
    corners = affine[:3, :3] @ _box_of(data.any(axis=-1)) + affine[:3, 3:]
    volumes, motions = {}, {}
    for channel in case.present:
        motion = random_motion(rng, corners.mean(axis=1))
        moved = motion[:3, :3] @ corners + motion[:3, 3:]
        grid, slices = random_grid(rng, moved)
        sampled = sliced(data[..., channel], motion @ affine, grid, slices)
        modality = MODALITIES[channel]
        volumes[modality] = stored(rng, np.rint(sampled), grid)
        motions[modality] = motion
    return TakenApart(volumes, motions)


def random_motion(rng: np.random.Generator, centre_mm: np.ndarray) -> np.ndarray:
    """Return a rigid motion (4, 4) around a point (3,), within MOST_DEGREES and MOST_MM."""
    turn = random_turn(rng, MOST_DEGREES)
    shift = rng.normal(size=3)
    shift *= rng.uniform(0, MOST_MM) / np.linalg.norm(shift)
    return nib.affines.from_matvec(turn, centre_mm - turn @ centre_mm + shift)


def random_turn(rng: np.random.Generator, most_degrees: float) -> np.ndarray:
    """Return a rotation (3, 3) about a random axis."""
    axis = rng.normal(size=3)
    angle = np.radians(rng.uniform(0, most_degrees))
    return scipy.spatial.transform.Rotation.from_rotvec(
        axis / np.linalg.norm(axis) * angle
    ).as_matrix()


def random_grid(
    rng: np.random.Generator, corners_mm: np.ndarray
) -> tuple[tuple[tuple[int, int, int], np.ndarray], int]:
    """Return shape and affine of a field of view around a head, and the axis across its slices.

    corners_mm : (3, 8) of the box around the head
    """
    tilt, across = random_turn(rng, MOST_TILT_DEGREES), int(rng.integers(3))
    spacing = np.full(3, rng.uniform(*IN_PLANE_MM))
    spacing[across] = rng.uniform(*THICKNESS_MM)
    inside = tilt.T @ corners_mm
    low, high = inside.min(axis=1) - MARGIN_MM, inside.max(axis=1) + MARGIN_MM
    shape = tuple(int(length) for length in np.ceil((high - low) / spacing))
    affine = nib.affines.from_matvec(tilt @ np.diag(spacing), tilt @ (low + spacing / 2))
    return (shape, affine), across


def sliced(
    volume: np.ndarray,
    affine: np.ndarray,
    grid: tuple[tuple[int, int, int], np.ndarray],
    across: int,
) -> np.ndarray:
    """Return (X, Y, Z) on a grid; each voxel is the mean over the thickness of its slice.

    affine : (4, 4) of `volume` ; across : the axis of `grid` that runs across the slices
    """
    shape, target = grid
    parts = max(1, round(float(np.linalg.norm(target[:3, across]))))
    total = np.zeros(shape, np.float32)
    for part in range(parts):
        shift = np.zeros(3)
        shift[across] = (part + 0.5) / parts - 0.5
        inside = np.linalg.inv(affine) @ target @ nib.affines.from_matvec(np.eye(3), shift)
        total += scipy.ndimage.affine_transform(
            volume, inside[:3, :3], inside[:3, 3], shape, order=1, mode="constant"
        )
    return total / parts


def stored(
    rng: np.random.Generator, data: np.ndarray, grid: tuple[tuple[int, int, int], np.ndarray]
) -> Volume:
    """Return a volume whose axes are stored in a random order and direction."""
    _, affine = grid
    order = np.stack([rng.permutation(3), rng.choice([-1, 1], 3)], axis=1)
    turned = nib.apply_orientation(data, order)
    affine = affine @ nib.orientations.inv_ornt_aff(order, data.shape)
    return Volume(turned.astype(np.float32), affine, placing_of_affine(affine, turned.shape))


def _box_of(mask: np.ndarray) -> np.ndarray:
    """Return the corners (3, 8) of the box around a mask (X, Y, Z), in voxels."""
    places = np.argwhere(mask)
    return np.array(np.meshgrid(*zip(places.min(axis=0), places.max(axis=0), strict=True))).reshape(
        3, -1
    )
