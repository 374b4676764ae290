"""Prepared cases on disk, as `training.prepare` wrote them."""

import json
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from model.errors import ModelError
from model.inference.network_inputs import fill_slice
from model.labels import REGIONS
from model.planes import PLANES, Plane, as_slices
from model.preprocess import Preprocessing


class PreparedCase:
    """One case as `training.prepare` wrote it, sliced in any plane.

    complete : whether it has all sequences; missing ones are 0 in `stack`
    isolated : whether it is single axial slices, which are not neighbours
    source : where the patient's scans come from, see `training.data.split`
    stack : (Z, X, Y, 4) float16
    labels : (Z, X, Y) uint8
    """

    def __init__(
        self,
        folder: Path,
        *,
        synthetic: bool = False,
        complete: bool = True,
        isolated: bool = False,
        source: str = "",
    ):
        self.name, self.synthetic, self.complete = folder.name, synthetic, complete
        self.isolated, self.source = isolated, source
        self._folder = folder
        self._tumour_slices: dict[Plane, dict[int, np.ndarray]] = {}

    @property
    def stack(self) -> np.ndarray:
        return _mapped(self._folder / "slices.npy")

    @property
    def labels(self) -> np.ndarray:
        return _mapped(self._folder / "labels.npy")

    def labels_in(self, plane: Plane) -> np.ndarray:
        """Return a view (slices, rows, columns) of the labels."""
        return np.moveaxis(self.labels, 0, 2).transpose(PLANES[plane])

    def tumour_slices(self, plane: Plane) -> dict[int, np.ndarray]:
        """Return the slices that show each region, by region; they are found once for each plane."""
        if plane not in self._tumour_slices:
            labels = self.labels_in(plane)
            found = {
                region.index: np.flatnonzero((labels == region.index).any(axis=(1, 2)))
                for region in REGIONS
            }
            self._tumour_slices[plane] = {k: v for k, v in found.items() if len(v)}
        return self._tumour_slices[plane]

    def slice(self, index: int, parameters: Preprocessing, plane: Plane = "axial") -> np.ndarray:
        """Return the network's input (rows, columns, C) float32; empty beyond the ends."""
        # The four half-precision values of a voxel are one word, so that they are copied together.
        words = np.moveaxis(self.stack.view(np.uint64), 0, 2)
        shape = as_slices(words, plane).shape[1:3]
        image = np.zeros((*shape, parameters.slices, 1), np.uint64)
        fill_slice(image, words, index, parameters, plane)
        halves = image.view(np.float16).reshape(shape[0], -1)
        # NumPy takes four times as long for this conversion.
        return cv2.add(halves, 0.0, dtype=cv2.CV_32F).reshape(*shape, parameters.channels)


# A mapped file stays open. A process may have about a thousand open files, fewer than patients.
@lru_cache(maxsize=256)
def _mapped(path: Path) -> np.ndarray:
    """Return an array whose elements are read from disk when they are used."""
    return np.load(path, mmap_mode="r")


def load_cases(data: Path, names: list[str]) -> list[PreparedCase]:
    """Return the named cases of a folder that `training.prepare` wrote."""
    entries = {
        entry["case"]: entry for entry in json.loads((data / "index.json").read_text())["cases"]
    }
    return [
        PreparedCase(
            data / name,
            synthetic=entries[name].get("synthetic", False),
            complete=not entries[name]["missing"],
            isolated=entries[name].get("isolated", False),
            source=entries[name].get("source", ""),
        )
        for name in names
    ]


def load_split(data: Path) -> dict[str, list[str]]:
    """Return case names by part: train, validation, test, partial and more. Raises ModelError."""
    return _prepared(data, "split.json")


def load_folds(data: Path) -> dict[str, int | None]:
    """Return the fold of the split file that each case is in; none for phantoms. Raises ModelError."""
    return {entry["case"]: entry.get("fold") for entry in load_index(data)}


def load_index(data: Path) -> list[dict]:
    """Return what is known of each prepared case. Raises ModelError."""
    return _prepared(data, "index.json")["cases"]


def load_preprocessing(data: Path) -> Preprocessing:
    """Return the parameters that the folder was prepared with. Raises ModelError."""
    fields = _prepared(data, "index.json")["preprocessing"]
    return Preprocessing(**fields | {"clip_percentiles": tuple(fields["clip_percentiles"])})


def _prepared(data: Path, name: str) -> dict:
    try:
        return json.loads((data / name).read_text())
    except OSError as error:
        raise ModelError(f"{data} holds no prepared data; training.prepare makes it.") from error
