"""What a large examination takes of memory, from its files to the files of its results."""

import subprocess
import sys

import numpy as np
import pytest

from model.io.modalities import MODALITIES
from model.io.nifti import write_scan
from training.data.head import with_head
from training.data.taken_apart import sliced

# By modality: voxels, and their edges in mm.
GRIDS = {
    "flair": ((512, 512, 32), (0.45, 0.45, 5.5)),
    "t1": ((512, 512, 32), (0.45, 0.45, 5.5)),
    "t1ce": ((512, 512, 200), (0.45, 0.45, 0.9)),
    "t2": ((512, 512, 60), (0.45, 0.45, 3.0)),
}
MOST_MB = 2000
RUN = """
import sys
from pathlib import Path
from app.analysis import pipeline
from app.memory import bound_arenas
from app.reporting.rendering import to_display
from app.store.results import NewResults, write_results
from model.inference.segmenter import Segmenter
from model.io.case import find_case_files
from model.io.nifti_header import Limits
from model.preparation.plan import Options
bound_arenas()
segmenter, paths = Segmenter.load(), find_case_files(Path(sys.argv[1]))
loaded = pipeline.load(paths, names={}, limits=Limits())
found = pipeline.analyse(segmenter, loaded, Options(), progress=lambda stage, share: None)
assert found.preparation.brain_extracted and len(found.on_other_grids) == 3
one = found.segmentation
made = NewResults(found.case, one.labels, one.confidence, one.brain, found.on_other_grids)
write_results(Path(sys.argv[2]), made, "brats2021", to_display)
# Not `ru_maxrss`, which begins with the peak of the process that started this one.
print(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1.024 / 1000)
"""


@pytest.mark.slow
def test_a_large_native_case_stays_below_2_gb(tmp_path, demo_case):
    """The limit that docs/preparation.md states; the largest scan has 512 x 512 x 200 voxels."""
    case = with_head(demo_case[0], np.random.default_rng(0))
    scans, results = tmp_path / "scans", tmp_path / "results"
    scans.mkdir()
    results.mkdir()
    for channel, modality in enumerate(MODALITIES):
        shape, edges_mm = GRIDS[modality]
        centre = case.affine @ [*np.divide(case.shape, 2), 1]
        affine = np.diag([*edges_mm, 1.0])
        affine[:3, 3] = (centre - affine @ [*np.divide(shape, 2), 0])[:3]
        volume = sliced(case.data[..., channel], case.affine, (shape, affine), across=2)
        write_scan(scans / f"case_{modality}.nii", np.rint(volume).astype(np.int16), affine)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(scans), str(results)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < MOST_MB
