"""Batches of training patches from cases on disk; batch `i` depends only on the seed and `i`."""

import json
import multiprocessing
import shutil
import tempfile
import weakref
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import keras
import numpy as np

from model.errors import ModelError
from model.inference.network_inputs import fill_slice
from model.io.modalities import MODALITIES
from model.labels import REGIONS
from model.planes import PLANES, Plane, as_slices
from model.preprocess import Preprocessing
from training.data.augment import change_intensity, random_sampling, sample
from training.settings import Settings


class PreparedCase:
    """One case as `training.prepare` wrote it, sliced in any plane.

    complete : whether it has all sequences; missing ones are 0 in `stack`
    stack : (Z, X, Y, 4) float16
    labels : (Z, X, Y) uint8
    """

    def __init__(self, folder: Path, *, synthetic: bool = False, complete: bool = True):
        self.name, self.synthetic, self.complete = folder.name, synthetic, complete
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
        self.hosts = [case for case in self.real if case.complete]
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
        pool = self.real
        if self.synthetic and rng.random() < sampling.synthetic_share:
            pool = self.synthetic
        case = pool[rng.integers(len(pool))]
        plane = sampling.planes[rng.integers(len(sampling.planes))]
        # The tumour of an incomplete case would leave holes in the sequences that it lacks.
        if case.complete and rng.random() < sampling.carve_share:
            drawn = self._draw_carved(rng, case, plane)
        else:
            drawn = self._draw(rng, case, plane, sampling.tumour_share)
        by_slice, rows, columns = (augmentation.flip[axis] for axis in PLANES[plane])
        where = random_sampling(rng, augmentation, drawn.centre, sampling.patch, (rows, columns))
        image, target = sample(drawn.image, drawn.labels, where)
        if rng.random() < by_slice:
            # The order of the neighbours is reversed; the mirrored slice stays.
            own = image[..., : self._own].reshape(*image.shape[:2], -1, len(MODALITIES))
            image[..., : self._own] = own[:, :, ::-1].reshape(*image.shape[:2], -1)
        return change_intensity(rng, augmentation, image, len(MODALITIES)), target

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
        )
        for name in names
    ]


def load_split(data: Path) -> dict[str, list[str]]:
    """Return case names by part: train, validation, test, partial. Raises ModelError."""
    return _prepared(data, "split.json")


def load_preprocessing(data: Path) -> Preprocessing:
    """Return the parameters that the folder was prepared with. Raises ModelError."""
    fields = _prepared(data, "index.json")["preprocessing"]
    return Preprocessing(**fields | {"clip_percentiles": tuple(fields["clip_percentiles"])})


def _prepared(data: Path, name: str) -> dict:
    try:
        return json.loads((data / name).read_text())
    except OSError as error:
        raise ModelError(f"{data} holds no prepared data; training.prepare makes it.") from error
