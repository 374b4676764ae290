"""Batches of training patches from cases on disk; batch `i` depends only on the seed and `i`."""

import multiprocessing
import shutil
import tempfile
import weakref
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import keras
import numpy as np

from model.io.modalities import MODALITIES
from model.planes import PLANES, Plane
from training.data.augment import change_intensity, random_sampling, sample
from training.data.prepared import PreparedCase
from training.data.weak_scans import weakened
from training.settings import Settings, WeakScans


def _start_worker(cases: list[PreparedCase], settings: Settings, folder: Path) -> None:
    """Give a worker process its own `Patches`, and the folder to write batches to."""
    global _patches, _folder
    _patches, _folder = Patches(cases, settings), folder


def _leave_batch(step: int) -> list[Path]:
    """Draw a batch and write it to files, which stay in the page cache.

    A pipe takes four times as long.
    """
    paths = []
    for array in _patches.batch(step):
        with tempfile.NamedTemporaryFile(dir=_folder, suffix=".npy", delete=False) as file:
            np.save(file, array)
        paths.append(Path(file.name))
    return paths


def _take(path: Path) -> np.ndarray:
    """Map an array and remove the file's name; its space is freed with the array."""
    array = np.load(path, mmap_mode="r")
    path.unlink()
    return array


@dataclass
class Drawn:
    """A slice to take a patch from: image (rows, columns, C), labels, and the patch's centre."""

    image: np.ndarray
    labels: np.ndarray
    centre: np.ndarray


class Patches(keras.utils.PyDataset):
    """Random augmented patches: images (B, H, W, C) float32 and labels (B, H, W) uint8.

    workers : processes that draw ahead; 0: this process draws
    folder : where those write batches, until each is taken
    """

    def __init__(self, cases: list[PreparedCase], settings: Settings, workers: int = 0):
        # At least two threads: with one, Keras draws ahead by tf.data, whose tuning delays the end of an
        # epoch by up to a minute (TensorFlow 2.21).
        super().__init__(workers=max(2, workers), use_multiprocessing=False, max_queue_size=8)
        self._executor = None
        if workers:
            # New processes: forks of a process with many threads may hang.
            context = multiprocessing.get_context("spawn")
            self.folder = Path(tempfile.mkdtemp(prefix="patches-"))
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
            given = (cases, settings, self.folder)
            self._executor = ProcessPoolExecutor(workers, context, _start_worker, given)
        self.real = [case for case in cases if not case.synthetic]
        self.synthetic = [case for case in cases if case.synthetic]
        self.hosts = [case for case in self.real if case.complete and not case.isolated]
        self._pools = pools(self.real, settings.sampling.source_shares)
        self.settings, self.first_step = settings, 0
        self.preprocessing = settings.preprocessing()
        # Number of channels of the slice and its neighbours. Those of the mirrored slice follow.
        self._own = len(MODALITIES) * (2 * settings.neighbours + 1)

    def __len__(self) -> int:
        return self.settings.steps_per_epoch

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        step += self.first_step
        if not self._executor:
            return self.batch(step)
        return tuple(_take(path) for path in self._executor.submit(_leave_batch, step).result())

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return batch `step` of the run."""
        first = step * self.settings.batch
        images, labels = zip(
            *[self.patch(first + i) for i in range(self.settings.batch)], strict=True
        )
        return np.stack(images), np.stack(labels)

    def on_epoch_end(self) -> None:
        self.first_step += len(self)

    def patch(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return sample `number` of the run."""
        rng = np.random.default_rng((self.settings.seed, number))
        sampling, augmentation = self.settings.sampling, self.settings.augmentation
        case = self._choose(rng)
        plane = "axial" if case.isolated else sampling.planes[rng.integers(len(sampling.planes))]
        # The tumour of an incomplete case would leave holes in the sequences that it lacks, and that of a
        # single slice has no neighbours.
        can_donate = case.complete and not case.isolated
        if can_donate and rng.random() < sampling.carve_share:
            drawn = self._draw_carved(rng, case, plane)
        else:
            drawn = self._draw(rng, case, plane, sampling.tumour_share)
        by_slice, rows, columns = (augmentation.flip[axis] for axis in PLANES[plane])
        where = random_sampling(rng, augmentation, drawn.centre, sampling.patch, (rows, columns))
        image, target = sample(drawn.image, drawn.labels, where)
        own = image[..., : self._own].reshape(*image.shape[:2], -1, len(MODALITIES))
        if rng.random() < by_slice:
            # The order of the neighbours is reversed; the mirrored slice stays.
            own = own[:, :, ::-1]
        dropout = sampling.neighbour_dropout
        if case.isolated or (dropout and rng.random() < dropout):
            own = np.broadcast_to(own[:, :, [self.settings.neighbours]], own.shape)
        image[..., : self._own] = own.reshape(*image.shape[:2], -1)
        if self.settings.weak_scans != WeakScans():
            parameters = self.settings.weak_scans
            image, target = weakened(rng, parameters, image, target, plane, len(MODALITIES))
        return change_intensity(rng, augmentation, image, len(MODALITIES)), target

    def _choose(self, rng: np.random.Generator) -> PreparedCase:
        """Choose the case of a sample: a phantom, or one of a source drawn by its share."""
        if self.synthetic and rng.random() < self.settings.sampling.synthetic_share:
            pool = self.synthetic
        elif len(self._pools) == 1:
            pool = self._pools[0][0]
        else:
            cases, shares = zip(*self._pools, strict=True)
            pool = cases[rng.choice(len(cases), p=shares)]
        return pool[rng.integers(len(pool))]

    def _draw(
        self, rng: np.random.Generator, case: PreparedCase, plane: Plane, tumour_share: float
    ) -> Drawn:
        """Take a slice of `case` and a centre in it, near a tumour voxel or anywhere."""
        index, centre = self._place(rng, case, plane, tumour_share)
        labels = np.ascontiguousarray(case.labels_in(plane)[index])
        return Drawn(case.slice(index, self.preprocessing, plane), labels, centre)

    def _draw_carved(self, rng: np.random.Generator, donor: PreparedCase, plane: Plane) -> Drawn:
        """Paste the tumour of a slice of `donor` into the corresponding slice of another patient.

        After CarveMix (Zhang et al., 2021), with a rim of tissue of random width around the tumour;
        on slices with their neighbours, not on volumes.
        """
        host = self.hosts[rng.integers(len(self.hosts))]
        index, centre = self._place(rng, donor, plane, 1.0)
        labels = donor.labels_in(plane)
        host_labels = host.labels_in(plane)
        host_index = index * len(host_labels) // len(labels)
        image = host.slice(host_index, self.preprocessing, plane)
        own = image[..., : self._own]
        target = np.array(host_labels[host_index])
        width = 1 + 2 * int(rng.integers(0, 6))
        tumour = (labels[index] > 0).astype(np.uint8)
        carved = np.argwhere(cv2.dilate(tumour, np.ones((width, width), np.uint8)))
        offset = (np.array(target.shape) - labels.shape[1:]) // 2
        into = carved + offset
        fits = ((into >= 0) & (into < target.shape)).all(axis=1)
        carved, into = carved[fits], into[fits]
        donated = donor.slice(index, self.preprocessing, plane)[tuple(carved.T)][:, : self._own]
        # Only brain replaces brain: no tumour outside the host's head, no holes in it.
        brain = (own[tuple(into.T)] != 0).any(axis=1) & (donated != 0).any(axis=1)
        carved, into, donated = carved[brain], into[brain], donated[brain]
        own[tuple(into.T)] = donated
        target[tuple(into.T)] = labels[index][tuple(carved.T)]
        if self.settings.mirror and plane != "sagittal":
            # Rows run from left to right. The mirrored slice must show the pasted tumour, too.
            middle = len(MODALITIES) * self.settings.neighbours
            image[..., self._own :] = image[::-1, :, middle : middle + len(MODALITIES)]
        return Drawn(image, target, centre + offset)

    def _place(
        self, rng: np.random.Generator, case: PreparedCase, plane: Plane, tumour_share: float
    ) -> tuple[int, np.ndarray]:
        """Choose a slice and the patch's centre in it, near a tumour voxel or anywhere."""
        sampling, labels = self.settings.sampling, case.labels_in(plane)
        size = np.array(labels.shape[1:])
        margin = np.minimum(sampling.margin_px, size // 2)
        jitter = rng.integers(-sampling.jitter_px, sampling.jitter_px + 1, 2)
        slices = case.tumour_slices(plane)
        if slices and rng.random() < tumour_share:
            region = list(slices)[rng.integers(len(slices))]
            index = int(rng.choice(slices[region]))
            voxels = np.argwhere(labels[index] == region)
            centre = voxels[rng.integers(len(voxels))]
        else:
            index, centre = int(rng.integers(len(labels))), size // 2
        return index, np.clip(centre + jitter, margin, size - margin)


def pools(
    cases: list[PreparedCase], source_shares: tuple[tuple[str, float], ...]
) -> list[tuple[list[PreparedCase], float]]:
    """Return groups of cases and the share of samples from each, which sum up to 1.

    Cases of sources without a share are one group. Sources without cases leave theirs to the others.
    """
    named, given = dict(source_shares), []
    for source, share in source_shares:
        given.append(([case for case in cases if _group(case) == source], share))
    rest = [case for case in cases if _group(case) not in named]
    given.append((rest, 1.0 - sum(named.values())))
    given = [(group, share) for group, share in given if group]
    total = sum(share for _, share in given)
    return [(group, share / total) for group, share in given]


def _group(case: PreparedCase) -> str:
    return "slices" if case.isolated else case.source
