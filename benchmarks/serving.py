"""Times and memory of the serving path."""

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from app.reporting import rendering
from app.store.results import NewResults, Results, write_results
from benchmarks.report import Measurement, timed
from model.card import ModelCard
from model.inference.engines import Engine, EngineName
from model.inference.network_inputs import slice_batches
from model.inference.segmenter import Segmenter
from model.io.case import Case, find_case_files, load_case
from model.io.modalities import MODALITIES
from model.io.nifti import write_mask, write_scan
from model.phantom import make_case
from model.preprocess import prepare

BRATS_SHAPE = (240, 240, 155)
END_TO_END = "end to end, four .nii.gz to seg.nii.gz, "
SLICE_COUNTS = (40, 80, 120, 155)


def write_brats_sized_case(folder: Path) -> Path:
    """Write the phantom on the grid of BraTS files, 240 x 240 x 155."""
    folder.mkdir(parents=True)
    case, _ = make_case()
    for channel, modality in enumerate(MODALITIES):
        array = _on_grid(case.data[..., channel], BRATS_SHAPE)
        path = folder / f"phantom_{modality}.nii.gz"
        write_scan(path, np.rint(array).astype(np.int16), case.affine)
    return folder


def measure_serving(
    case_dir: Path, folder: Path, engine: EngineName, repeats: int
) -> list[Measurement]:
    """Measure start, each step, the whole way from four files to the mask, and memory."""
    data_dir = folder / "data"
    first = Measurement("first start to ready", (_start_s(data_dir),), note="makes the database")
    start = Measurement("start to ready", tuple(_start_s(data_dir) for _ in range(repeats)))
    segmenters = {q: Segmenter.load(engine=engine, quality=q) for q in ("fast", "accurate")}
    fast = segmenters["fast"]
    if fast.provenance.precision not in ("f32", "float32"):
        segmenters |= {
            f"{q}, float32": Segmenter.load(engine=engine, precision="float32", quality=q)
            for q in ("fast", "accurate")
        }
    card, paths = fast.card, find_case_files(case_dir)
    case = load_case(paths)
    batches = network_inputs(case, card, fast._engine)
    slices = len(batches) * fast._engine.batch
    network = timed(
        "network, one plane",
        lambda: fast._engine.run(batches, lambda index, result: None),
        repeats,
        f"all {slices} axial slices, {fast._engine.device}, {fast._engine.precision}",
    )
    rate = tuple(slices / value for value in network.values)
    posts = [fast.segment(case).timings_s["postprocess"] for _ in range(repeats)]

    def whole(segmenter: Segmenter) -> None:
        result = segmenter.segment(load_case(paths))
        write_mask(folder / "seg.nii.gz", result.labels, result.affine)

    return [
        first,
        start,
        timed("read four .nii.gz", lambda: load_case(paths), repeats),
        timed("preprocess", lambda: prepare(case, card.preprocessing), repeats),
        network,
        Measurement("network, one plane", rate, "slices/s"),
        Measurement("postprocess", tuple(posts)),
        *(
            timed(
                END_TO_END + quality, partial(whole, segmenter), repeats, segmenter.provenance.text
            )
            for quality, segmenter in segmenters.items()
        ),
        Measurement(
            "peak memory of a case",
            (_peak_memory_mb(case_dir, engine),),
            "MB",
            "accurate, a process of its own",
        ),
    ]


def network_inputs(case: Case, card: ModelCard, engine: Engine) -> list[np.ndarray]:
    """Return the batches (B, H, W, C) that a network sees of a case's axial slices in `engine`."""
    parameters = card.preprocessing
    prepared = prepare(case, parameters)
    batches = slice_batches(
        prepared.volume, prepared.brain, parameters, "axial", engine.shapes, engine.batch
    )
    return [batch for batch, _ in batches]


def measure_growth(
    case_dir: Path, folder: Path, engine: EngineName, repeats: int
) -> list[Measurement]:
    """Measure how time grows with slices and with cases one after the other."""
    segmenter = Segmenter.load(engine=engine)
    case = load_case(find_case_files(case_dir))
    middle = case.shape[2] // 2
    results = []
    for count in SLICE_COUNTS:
        low = max(0, middle - count // 2)
        part = Case(case.data[:, :, low : low + count], case.affine)
        results.append(
            timed(f"segment {count} slices", lambda c=part: segmenter.segment(c), repeats)
        )
    for cases in (1, 2, 4):
        start = time.perf_counter()
        for _ in range(cases):
            segmenter.segment(load_case(find_case_files(case_dir)))
        results.append(Measurement(f"{cases} queued cases", (time.perf_counter() - start,)))
    return results


def measure_overlays(folder: Path) -> list[Measurement]:
    """Measure one rendered slice of each plane from the memory-mapped volumes of a case."""
    case, labels = make_case()
    volumes = folder / "volumes"
    volumes.mkdir()
    certain = np.full_like(labels, 255)
    made = NewResults(case, labels, certain, case.data.any(axis=-1))
    write_results(volumes, made, "brats2021", rendering.to_display)
    results = []
    for plane, axis in rendering.PLANE_AXES.items():
        values = []
        for index in range(0, case.shape[axis], 4):
            start = time.perf_counter()
            rendering.render_png(Results(volumes), plane, index, rendering.Look())
            values.append((time.perf_counter() - start) * 1000)
        results.append(Measurement(f"{plane} slice", tuple(values), "ms"))
    return results


def _start_s(data_dir: Path) -> float:
    """Return seconds from starting Python to what gunicorn loads being able to serve."""
    command = [sys.executable, "-c", "import wsgi; print('ready', flush=True)"]
    environment = os.environ | {"BTS_DATA_DIR": str(data_dir)}
    start = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        process.stdout.readline()
        seconds = time.perf_counter() - start
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return seconds


def _peak_memory_mb(case_dir: Path, engine: EngineName) -> float:
    """Return the largest resident set of a process that segments one case."""
    program = (
        "import sys; from pathlib import Path\n"
        "from model.io.case import *; from model.inference.segmenter import Segmenter\n"
        "case = load_case(find_case_files(Path(sys.argv[1])))\n"
        "Segmenter.load(engine=sys.argv[2]).segment(case)\n"
        # Not getrusage: its maximum begins with what the parent held when it forked.
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(case_dir), engine],
        check=True,
        capture_output=True,
        text=True,
    )
    # Linux counts in KiB.
    return int(done.stdout) * 1024 / 1e6


def _on_grid(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return (X, Y, Z) centred on a grid of `shape`, cut where it is larger."""
    result = np.zeros(shape, array.dtype)
    source, target = [], []
    for have, want in zip(array.shape, shape, strict=True):
        length = min(have, want)
        source.append(slice((have - length) // 2, (have - length) // 2 + length))
        target.append(slice((want - length) // 2, (want - length) // 2 + length))
    result[tuple(target)] = array[tuple(source)]
    return result
