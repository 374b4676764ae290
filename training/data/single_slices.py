"""Labelled axial slices without neighbours: prepared for training like cases, one for each patient."""

from pathlib import Path

import numpy as np

from model.geometry import bounding_box
from model.io.modalities import MODALITIES
from model.labels import REGIONS, from_file_values
from model.preprocess import Preprocessing, normalised

# What follows a patient's name in the name of the prepared case.
SUFFIX = "_slices"


def find_slices(folder: Path) -> dict[str, list[Path]]:
    """Return the files `<patient>_z<index>.npz` of a folder by patient, in ascending order."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*_z*.npz")):
        found.setdefault(path.stem.rpartition("_z")[0], []).append(path)
    return found


def prepare_slices(patient: str, paths: list[Path], out: Path, parameters: Preprocessing) -> dict:
    """Write the slices of one patient as a case whose slices are not neighbours; return its entry.

    Each file holds `image` (X, Y, 4) and `label` (X, Y), with axes to the left and to the back as BraTS
    has them. Each slice has z-scores of its own, since the mean of its volume is not known.
    """
    images, labels = zip(*[_read(path) for path in paths], strict=True)
    # To the right and to the front, as in canonical volumes.
    image, label = (np.stack(arrays)[:, ::-1, ::-1] for arrays in (images, labels))
    cut = (slice(None), *bounding_box(image.any(axis=(0, 3))))
    target = from_file_values(np.ascontiguousarray(label[cut]))
    folder = out / f"{patient}{SUFFIX}"
    folder.mkdir(exist_ok=True)
    np.save(folder / "slices.npy", np.stack([z_scores(one, parameters) for one in image[cut]]))
    np.save(folder / "labels.npy", target)
    return {
        "case": folder.name,
        "patient": patient,
        "isolated": True,
        "missing": [],
        "shape": [*target.shape[1:], len(target)],
        "voxels": {region.key: int((target == region.index).sum()) for region in REGIONS},
    }


def z_scores(image: np.ndarray, parameters: Preprocessing) -> np.ndarray:
    """Return the z-scores (X, Y, 4) float16 of one slice of all sequences; background is 0."""
    brain = image.any(axis=-1)
    values = image.astype(np.float32)
    channels = [normalised(values[..., i], brain, parameters) for i in range(len(MODALITIES))]
    return np.stack(channels, axis=-1).astype(np.float16)


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["image"], arrays["label"]
