"""Batches of training patches, mapped from disk; batch `i` depends on the seed and `i` alone."""

import json
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from model.labels import REGIONS
from model.modalities import MODALITIES
from model.preprocess import Preprocessing, neighbour_slices
from training.augment import Augmentation, change_intensity, random_sampling, sample


@dataclass(frozen=True)
class Sampling:
    """How slices and patches are drawn.

    patch : height and width in pixels (1 mm)
    tumour_share : share of samples centred on a tumour voxel of a random region
    jitter_px : largest shift of the patch from that voxel, along each axis
    margin_px : least distance of the patch's centre from the edge of the brain's box
    synthetic_share : share of samples from phantoms
    """

    patch: tuple[int, int] = (128, 128)
    tumour_share: float = 0.6
    jitter_px: int = 32
    margin_px: int = 44
    synthetic_share: float = 0.03


class PreparedCase:
    """One case as `training.prepare` wrote it: `stack` (Z, X, Y, 4), `labels` (Z, X, Y)."""

    def __init__(self, folder: Path, *, synthetic: bool = False):
        self.name, self.synthetic = folder.name, synthetic
        self.stack = np.load(folder / "slices.npy", mmap_mode="r")
        self.labels = np.load(folder / "labels.npy", mmap_mode="r")
        # By region: its axial slices. Looked up for every sample, so found once.
        self.slices = {
            region.index: np.flatnonzero((self.labels == region.index).any(axis=(1, 2)))
            for region in REGIONS
        }

    def slice(self, index: int, neighbours: int) -> np.ndarray:
        """Return the network's input (X, Y, C) float32 for a slice; empty beyond the ends."""
        low, high = index - neighbours, index + neighbours + 1
        window = np.zeros((high - low, *self.stack.shape[1:]), np.float32)
        first, last = max(low, 0), min(high, len(self.stack))
        window[first - low : last - low] = self.stack[first:last]
        return neighbour_slices(window, 0, neighbours)


class Patches(keras.utils.PyDataset):
    """Random augmented patches: images (B, H, W, C) float32 and labels (B, H, W) uint8."""

    def __init__(
        self,
        cases: list[PreparedCase],
        preprocessing: Preprocessing,
        *,
        batch: int,
        steps: int,
        seed: int,
        first_step: int = 0,
        sampling: Sampling = Sampling(),
        augmentation: Augmentation = Augmentation(),
    ):
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
        self.real = [case for case in cases if not case.synthetic]
        self.synthetic = [case for case in cases if case.synthetic]
        self.neighbours = preprocessing.neighbours
        self.batch, self.steps, self.seed, self.first_step = batch, steps, seed, first_step
        self.sampling, self.augmentation = sampling, augmentation

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        images, labels = zip(
            *[self.patch((self.first_step + step) * self.batch + i) for i in range(self.batch)],
            strict=True,
        )
        return np.stack(images), np.stack(labels)

    def on_epoch_end(self) -> None:
        self.first_step += self.steps

    def patch(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return sample `number` of the run."""
        rng = np.random.default_rng((self.seed, number))
        pool = self.real
        if self.synthetic and rng.random() < self.sampling.synthetic_share:
            pool = self.synthetic
        case = pool[rng.integers(len(pool))]
        index, centre = self._place(rng, case)
        where = random_sampling(rng, self.augmentation, centre, self.sampling.patch)
        labels = np.ascontiguousarray(case.labels[index])
        image, target = sample(case.slice(index, self.neighbours), labels, where)
        return change_intensity(rng, self.augmentation, image, len(MODALITIES)), target

    def _place(self, rng: np.random.Generator, case: PreparedCase) -> tuple[int, tuple]:
        """Choose an axial slice and the patch's centre in it, near a tumour voxel or anywhere."""
        size = np.array(case.stack.shape[1:3])
        margin = np.minimum(self.sampling.margin_px, size // 2)
        jitter = rng.integers(-self.sampling.jitter_px, self.sampling.jitter_px + 1, 2)
        present = [index for index, slices in case.slices.items() if len(slices)]
        if present and rng.random() < self.sampling.tumour_share:
            region = present[rng.integers(len(present))]
            index = int(rng.choice(case.slices[region]))
            voxels = np.argwhere(case.labels[index] == region)
            centre = voxels[rng.integers(len(voxels))]
        else:
            index, centre = int(rng.integers(len(case.stack))), size // 2
        return index, tuple(np.clip(centre + jitter, margin, size - margin))


def load_cases(data: Path, names: list[str]) -> list[PreparedCase]:
    """Return the named cases of a folder that `training.prepare` wrote."""
    synthetic = {
        entry["case"]
        for entry in json.loads((data / "index.json").read_text())["cases"]
        if entry.get("synthetic")
    }
    return [PreparedCase(data / name, synthetic=name in synthetic) for name in names]


def load_split(data: Path) -> dict[str, list[str]]:
    """Return case names by part: train, validation, test."""
    return json.loads((data / "split.json").read_text())


def load_preprocessing(data: Path) -> Preprocessing:
    """Return the parameters that the folder was prepared with."""
    fields = json.loads((data / "index.json").read_text())["preprocessing"]
    return Preprocessing(**fields | {"clip_percentiles": tuple(fields["clip_percentiles"])})
