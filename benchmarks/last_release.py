"""The last release on the same case: processes that take turns, and how far the masks differ.

Its model and the code that runs it come from this repository's history.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np

from benchmarks.report import Measurement
from model.labels import REGIONS
from training.scoring.scores import dice

RELEASE, COMMIT = "0.6.0", "8edcd349d3eb2529e14cf79d15ae782350d62a23"
ROOT = Path(__file__).parents[1]
QUALITIES = ("fast", "accurate")
# Case, quality, place of the labels. The first case of a process warms it up.
PROGRAM = """
import json, sys, time
from pathlib import Path
import numpy as np
{imports}
folder, quality, out = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
segmenter = Segmenter.load(engine="openvino", device="cpu", quality=quality)
for _ in range(2):
    start = time.perf_counter(), time.process_time()
    labels = segmenter.segment(load_case(find_case_files(folder))).labels
    seconds = time.perf_counter() - start[0], time.process_time() - start[1]
np.save(out, labels)
print(json.dumps(seconds))
"""
IMPORTS = {
    RELEASE: "from model.case import find_case_files, load_case\nfrom model.segmenter import Segmenter",
    "now": "from model.io.case import find_case_files, load_case\n"
    "from model.inference.segmenter import Segmenter",
}


def measure_last_release(case_dir: Path, folder: Path, repeats: int) -> list[Measurement]:
    """Time both versions, in turns, on the files of one case; `folder` is for files in between.

    Returns nothing where the history is not there, as in a shallow clone.
    """
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", COMMIT, "model"], capture_output=True, check=False
    )
    if archive.returncode:
        return []
    before = folder / "last_release"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(before, filter="data")
    roots, labels = {RELEASE: before, "now": ROOT}, folder / "labels.npy"

    def run(name: str, quality: str) -> tuple[tuple[float, float], np.ndarray]:
        return _run(roots[name], IMPORTS[name], case_dir.resolve(), quality, labels)

    rows = []
    for quality in QUALITIES:
        pairs = [{name: run(name, quality) for name in roots} for _ in range(repeats)]
        rows += _rows(pairs, quality)
    return rows


def _rows(
    pairs: list[dict[str, tuple[tuple[float, float], np.ndarray]]], quality: str
) -> list[Measurement]:
    """Return times, their ratios within each pair, and how well the masks agree."""
    rows = []
    for name in IMPORTS:
        for kind, index in (("", 0), (", processor", 1)):
            values = tuple(pair[name][0][index] for pair in pairs)
            rows.append(Measurement(f"{name}, {quality}{kind}", values))
    for kind, index in (("", 0), (", processor", 1)):
        ratios = tuple(pair["now"][0][index] / pair[RELEASE][0][index] for pair in pairs)
        rows.append(Measurement(f"now / {RELEASE}, {quality}{kind}", ratios, "times"))
    masks = [pairs[0][name][1] for name in (RELEASE, "now")]
    agree = [dice(*(mask == region.index for mask in masks)) for region in REGIONS]
    rows.append(
        Measurement(
            f"Dice of the masks of both, {quality}", (float(np.mean(agree)),), "", "mean of regions"
        )
    )
    return rows


def _run(
    root: Path, imports: str, case_dir: Path, quality: str, labels: Path
) -> tuple[tuple[float, float], np.ndarray]:
    """Return wall and processor seconds of one case in a process of its own, and the labels (X, Y, Z)."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(imports=imports), case_dir, quality, labels],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    wall_s, processor_s = json.loads(done.stdout)
    return (wall_s, processor_s), np.load(labels)
