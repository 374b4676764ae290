"""A case's folder: every path and file name in it, written whole or not at all, and read back.

    <data_dir>/cases/<id>/
        scans/<modality>            the files as they came
        results/                    what the model made
        masks/<random>/             a corrected mask, with the same files as `results`

    results/segmentation.nii.gz     the mask on the grid of the scans
            <modality>.npy          for display: canonical (RAS+) (X, Y, Z) uint8
            labels.npy              the same grid: network indices
            confidence.npy          the same grid: probability of the label, 255 is 1
            spacing_mm.npy          voxel edges of that grid

A folder of results is made elsewhere on the same disk and appears by one rename.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.geometry import spacing_mm, to_canonical
from model.io.case import Case
from model.io.modalities import MODALITIES
from model.io.nifti import read_placing, write_mask
from model.labels import Convention, to_file_values

MODEL_RESULTS = "results"
SCANS, MASKS = "scans", "masks"
SEGMENTATION = "segmentation.nii.gz"
LABELS, CONFIDENCE, SPACING = "labels", "confidence", "spacing_mm"


@dataclass(frozen=True)
class Results:
    """A folder of results, to be read."""

    path: Path

    @property
    def segmentation(self) -> Path:
        """The mask on the grid of the scans."""
        return self.path / SEGMENTATION

    def display(self, modality: str) -> np.ndarray:
        """Return a sequence for display, canonical (X, Y, Z) uint8.

        Mapped into memory, as are the others: a slice costs only the pages that it lies on.
        """
        return self._mapped(modality)

    def labels(self) -> np.ndarray:
        """Return the network indices, canonical (X, Y, Z) uint8."""
        return self._mapped(LABELS)

    def confidence(self) -> np.ndarray | None:
        """Return the probability of the labels, canonical (X, Y, Z) uint8, 255 = certain.

        None where an earlier version did not keep it.
        """
        return self._mapped(CONFIDENCE) if _array(self.path, CONFIDENCE).is_file() else None

    def spacing_mm(self) -> np.ndarray:
        """Return the voxel edges (3,) of the canonical grid."""
        return np.load(_array(self.path, SPACING))

    def _mapped(self, name: str) -> np.ndarray:
        return np.load(_array(self.path, name), mmap_mode="r")


@dataclass(frozen=True)
class CaseFolder:
    """The folder of one case."""

    path: Path

    def scan(self, modality: str) -> Path:
        """Return where the file of a sequence lies."""
        return self.path / SCANS / modality

    def keep_scans(self, paths: Mapping[str, Path]) -> None:
        """Make the folder, and move the files of the sequences into it."""
        (self.path / SCANS).mkdir(mode=0o700, parents=True)
        for modality, path in paths.items():
            path.replace(self.scan(modality))

    @property
    def model_results(self) -> Results:
        """What the model made."""
        return self.results(MODEL_RESULTS)

    def results(self, name: str) -> Results:
        """Return a folder of results by its name: MODEL_RESULTS, or what `add_corrected` gave."""
        return Results(self.path / name)

    def publish(self, work: Path) -> None:
        """Move finished results of the model, as `write_results` left them in `work`, here."""
        results = self.model_results.path
        # A crash between this move and the row's update leaves results that nobody has seen.
        shutil.rmtree(results, ignore_errors=True)
        work.rename(results)

    def add_corrected(
        self, work: Path, labels: np.ndarray, affine: np.ndarray, convention: Convention
    ) -> str:
        """Add a folder that is like the model's results but for the mask; return its name.

        work : an empty folder on the same disk, which is moved here
        labels : (X, Y, Z) uint8 network indices on the grid of the scans, affine (4, 4)

        Raises FileNotFoundError if the case has been deleted.
        """
        model = self.model_results
        placing = read_placing(model.segmentation)
        write_mask(work / SEGMENTATION, to_file_values(labels, convention), placing)
        _save(work, LABELS, labels, affine)
        for file in model.path.iterdir():
            if not (work / file.name).exists():
                _link(file, work / file.name)
        name = f"{MASKS}/{secrets.token_hex(8)}"
        (self.path / MASKS).mkdir(mode=0o700, exist_ok=True)
        work.rename(self.path / name)
        return name

    def corrected(self) -> list[str]:
        """Return the names of the folders of corrected masks."""
        return [f"{MASKS}/{folder.name}" for folder in self.path.glob(f"{MASKS}/*")]

    def remove_results(self, name: str) -> None:
        """Delete a folder of results; what is not there is no error."""
        shutil.rmtree(self.path / name, ignore_errors=True)


def write_results(
    work: Path,
    case: Case,
    labels: np.ndarray,
    confidence: np.ndarray,
    convention: Convention,
    to_display: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Write the files of a result into an empty folder.

    labels : (X, Y, Z) uint8 network indices; confidence : (X, Y, Z) uint8, 255 = certain
    to_display : turns a sequence (X, Y, Z) float32 into uint8
    """
    write_mask(work / SEGMENTATION, to_file_values(labels, convention), case.grid)

    def save_sequence(channel: int) -> None:
        _save(work, MODALITIES[channel], to_display(case.data[..., channel]), case.affine)

    with ThreadPoolExecutor() as pool:
        list(pool.map(save_sequence, case.present))
    _save(work, CONFIDENCE, confidence, case.affine)
    _save(work, LABELS, labels, case.affine)
    _, canonical_affine = to_canonical(labels, case.affine)
    np.save(_array(work, SPACING), spacing_mm(canonical_affine))


def _save(folder: Path, name: str, volume: np.ndarray, affine: np.ndarray) -> None:
    canonical, _ = to_canonical(volume, affine)
    # Axial slices are looked at most, so each of them lies in one piece.
    np.save(_array(folder, name), np.asfortranarray(canonical))


def _array(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def _link(source: Path, target: Path) -> None:
    """Give a file that never changes a second name; copy it where the disk knows no links."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
