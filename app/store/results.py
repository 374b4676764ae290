"""A case's folder: every path and file name in it, written whole or not at all, and read back.

    <data_dir>/cases/<id>/
        scans/<modality>            the files as they came
        scans/brain                 a brain mask that a person has drawn, on the grid of the results
        study/                      of a DICOM study, see `study_folder`
        results/                    what the model made
        masks/<random>/             a corrected mask, with the same files as `results`
        registered/<id>/            an earlier case on the grid of this one, see `registered_folder`
        annotations.json            what readers drew on the pictures: rulers, angles, arrows

    results/segmentation.nii.gz     the mask on the grid of the reference
            segmentation_<modality>.nii.gz  on that of another scan, where it has one of its own
            <modality>.npy          for display: canonical (RAS+) (X, Y, Z) uint8
            labels.npy              the same grid: network indices
            confidence.npy          the same grid: probability of the label, 255 is 1
            brain.npy               the same grid: 1 in the brain
            spacing_mm.npy          voxel edges of that grid

A folder of results is made elsewhere on the same disk and appears by one rename.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np

from app.store.registered_folder import RegisteredFolder
from app.store.study_folder import StudyFolder
from model.geometry import spacing_mm, to_canonical
from model.io.case import Sequences
from model.io.modalities import MODALITIES
from model.io.nifti import read_placing, write_mask
from model.labels import Convention, to_file_values

MODEL_RESULTS = "results"
SCANS, MASKS = "scans", "masks"
# As many sequences are made ready for display at a time as have this many voxels together.
MOST_VOXELS = 40_000_000
SEGMENTATION = "segmentation.nii.gz"
ANNOTATIONS = "annotations.json"
LABELS, CONFIDENCE, SPACING, BRAIN = "labels", "confidence", "spacing_mm", "brain"


# By modality, labels (X, Y, Z) uint8 on a scan's own grid where that is not the reference's, and its placing.
OtherGrids = Mapping[str, tuple[np.ndarray, nib.Nifti1Header]]


@dataclass(frozen=True)
class NewResults:
    """What is written of a case that was segmented.

    case : the sequences on the grid of the reference, as all of these
    labels : (X, Y, Z) uint8 network indices ; confidence : (X, Y, Z) uint8, 255 = certain
    brain : (X, Y, Z) bool
    on_other_grids : the labels on the grids of scans that have one of their own
    """

    case: Sequences
    labels: np.ndarray
    confidence: np.ndarray
    brain: np.ndarray
    on_other_grids: OtherGrids = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """A folder of results, to be read."""

    path: Path

    @property
    def segmentation(self) -> Path:
        """The mask on the grid of the reference."""
        return self.path / SEGMENTATION

    def segmentation_on(self, modality: str) -> Path:
        """The mask on the grid of a scan."""
        own = self.path / _segmentation_on(modality)
        return own if own.is_file() else self.segmentation

    @property
    def own_grids(self) -> dict[str, Path]:
        """Masks by modality, of scans that do not lie on the grid of the reference."""
        paths = {modality: self.path / _segmentation_on(modality) for modality in MODALITIES}
        return {modality: path for modality, path in paths.items() if path.is_file()}

    def display(self, modality: str) -> np.ndarray:
        """Return a sequence for display, canonical (X, Y, Z) uint8.

        Mapped into memory, as are the others: a slice costs only the pages that it lies on.
        """
        return self._mapped(modality)

    def labels(self) -> np.ndarray:
        """Return the network indices, canonical (X, Y, Z) uint8."""
        return self._mapped(LABELS)

    def confidence(self) -> np.ndarray | None:
        """Return the probability of the labels, (X, Y, Z) uint8, 255 = certain; None in cases of old versions."""
        return self._mapped(CONFIDENCE) if _array(self.path, CONFIDENCE).is_file() else None

    def brain(self) -> np.ndarray | None:
        """Return the brain, canonical (X, Y, Z) uint8; None where an earlier version did not keep it."""
        return self._mapped(BRAIN) if _array(self.path, BRAIN).is_file() else None

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

    @property
    def drawn_brain(self) -> Path:
        """Where a brain mask lies that a person has drawn, if there is one."""
        return self.path / SCANS / BRAIN

    @property
    def study(self) -> StudyFolder:
        """What is kept of a DICOM study."""
        return StudyFolder(self.path)

    def annotations(self) -> str | None:
        """Return what readers drew on the pictures, as it was kept; None if that is nothing."""
        try:
            return (self.path / ANNOTATIONS).read_text()
        except FileNotFoundError:
            return None

    def keep_annotations(self, content: str) -> None:
        """Keep what readers drew in place of what they drew before.

        Raises FileNotFoundError if the case has been deleted.
        """
        # A name of its own: two readers may save at the same moment.
        partial = self.path / f"{ANNOTATIONS}.{secrets.token_hex(4)}"
        partial.write_text(content)
        partial.replace(self.path / ANNOTATIONS)

    def keep_scans(self, paths: Mapping[str, Path]) -> None:
        """Make the folder, and move the files of the sequences into it."""
        (self.path / SCANS).mkdir(mode=0o700, parents=True, exist_ok=True)
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
        # What was registered to them lies on another grid.
        self.registered.drop_all()
        work.rename(results)

    def add_corrected(
        self,
        work: Path,
        labels: np.ndarray,
        affine: np.ndarray,
        on_other_grids: OtherGrids,
        convention: Convention,
    ) -> str:
        """Add a folder that is like the model's results but for the mask; return its name.

        work : an empty folder on the same disk, which is moved here
        labels : (X, Y, Z) uint8 network indices on the grid of the reference, affine (4, 4)
        on_other_grids : as in `write_results`

        Raises FileNotFoundError if the case has been deleted.
        """
        model = self.model_results
        placing = read_placing(model.segmentation)
        _write_masks(work, labels, placing, on_other_grids, convention)
        _save(work, LABELS, labels, affine)
        for file in model.path.iterdir():
            if not (work / file.name).exists():
                _link(file, work / file.name)
        name = f"{MASKS}/{secrets.token_hex(8)}"
        (self.path / MASKS).mkdir(mode=0o700, exist_ok=True)
        work.rename(self.path / name)
        return name

    @property
    def registered(self) -> RegisteredFolder:
        """Earlier cases on the grid of this one."""
        return RegisteredFolder(self.path)

    def corrected(self) -> list[str]:
        """Return the names of the folders of corrected masks."""
        return [f"{MASKS}/{folder.name}" for folder in self.path.glob(f"{MASKS}/*")]

    def remove_results(self, name: str) -> None:
        """Delete a folder of results; what is not there is no error."""
        shutil.rmtree(self.path / name, ignore_errors=True)


def write_results(
    work: Path,
    found: NewResults,
    convention: Convention,
    to_display: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Write the files of a result into an empty folder.

    to_display : turns a sequence (X, Y, Z) float32 into uint8
    """
    case = found.case
    _write_masks(work, found.labels, case.grid, found.on_other_grids, convention)

    def save_sequence(channel: int) -> None:
        _save(work, MODALITIES[channel], to_display(case.sequence(channel)), case.affine)

    # Large ones one after the other: together they would fill the memory.
    together = max(1, MOST_VOXELS // int(np.prod(case.shape)))
    with ThreadPoolExecutor(min(together, len(MODALITIES))) as pool:
        list(pool.map(save_sequence, case.present))
    _save(work, CONFIDENCE, found.confidence, case.affine)
    _save(work, BRAIN, found.brain.view(np.uint8), case.affine)
    _save(work, LABELS, found.labels, case.affine)
    _, canonical_affine = to_canonical(found.labels, case.affine)
    np.save(_array(work, SPACING), spacing_mm(canonical_affine))


def write_registered(
    work: Path,
    sequences: Iterable[tuple[str, np.ndarray]],
    labels: np.ndarray,
    edges_mm: np.ndarray,
) -> None:
    """Write an earlier case on the canonical grid of another into an empty folder.

    sequences : key and (X, Y, Z) uint8, one after the other ; labels : (X, Y, Z) uint8 ; edges_mm : (3,)
    """
    for modality, volume in sequences:
        np.save(_array(work, modality), np.asfortranarray(volume))
    np.save(_array(work, LABELS), np.asfortranarray(labels))
    np.save(_array(work, SPACING), edges_mm)


def _write_masks(
    work: Path,
    labels: np.ndarray,
    grid: np.ndarray | nib.Nifti1Header,
    on_other_grids: OtherGrids,
    convention: Convention,
) -> None:
    write_mask(work / SEGMENTATION, to_file_values(labels, convention), grid)
    for modality, (found, placing) in on_other_grids.items():
        write_mask(work / _segmentation_on(modality), to_file_values(found, convention), placing)


def _segmentation_on(modality: str) -> str:
    return f"segmentation_{modality}.nii.gz"


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
