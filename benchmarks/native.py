"""Time the preparation of native scans, and ANTs' rigid registration of the same files; writes benchmarks/README.md.

    python -m benchmarks.native CASE_DIR [--ants PYTHON]

PYTHON is the interpreter of an environment with `antspyx`, which the project does not install. Waiting times
depend on other work on the machine; processor seconds hardly do.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.report import NATIVE, machine, write_section
from model.io.case import find_case_files

RESULTS = Path(__file__).parent / "README.md"
REFERENCE = "t1ce"
ANTS = """
import json, resource, sys, time
import ants
fixed, *moving = map(ants.image_read, sys.argv[1:])
start = time.perf_counter()
for image in moving:
    ants.registration(fixed, image, type_of_transform="Rigid")
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
OURS = """
import json, resource, sys, tempfile, time
from pathlib import Path
from app.analysis import pipeline
from app.reporting.rendering import to_display
from app.store.results import NewResults, write_results
from model.inference.segmenter import Segmenter
from model.io.case import find_case_files
from model.io.nifti_header import Limits
from model.preparation.plan import Options
segmenter = Segmenter.load()
paths = find_case_files(Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF)
loaded = pipeline.load(paths, names={}, limits=Limits())
found = pipeline.analyse(segmenter, loaded, Options(), progress=lambda stage, share: None)
one, start = found.segmentation, time.perf_counter()
made = NewResults(found.case, one.labels, one.confidence, one.brain, found.on_other_grids)
with tempfile.TemporaryDirectory() as folder:
    write_results(Path(folder), made, "brats2021", to_display)
saved_s = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_SELF)
seconds = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps([found.timings_s | {"save, with all that is shown": saved_s}, seconds, used.ru_maxrss / 1024]))
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.native", description=__doc__.split("\n")[0])
    parser.add_argument("case_dir", type=Path)
    parser.add_argument("--ants", type=Path, metavar="PYTHON")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    timings_s, used_s, peak_mb = _run(sys.executable, OURS, str(options.case_dir))
    rows = [(stage, f"{seconds:.1f} s") for stage, seconds in timings_s.items()]
    rows += [
        ("all of it, processor seconds", f"{used_s:.0f} s"),
        ("peak memory", f"{peak_mb:.0f} MB"),
    ]
    if options.ants:
        paths = find_case_files(options.case_dir)
        ordered = [paths.pop(REFERENCE), *paths.values()]
        waited, used_s, peak_mb = _run(str(options.ants), ANTS, *map(str, ordered))
        rows += [
            ("ANTs, rigid registration of three sequences alone", f"{waited:.0f} s"),
            ("the same, processor seconds", f"{used_s:.0f} s"),
            ("the same, peak memory", f"{peak_mb:.0f} MB"),
        ]
    write_section(options.out, as_markdown(rows))
    return 0


def as_markdown(rows: list[tuple[str, str]]) -> str:
    """Return the section of the page."""
    table = "\n".join(f"| {what} | {value} |" for what, value in rows)
    facts = "\n".join(f"- {fact}" for fact in machine())
    return f"""{NATIVE}

Written by `python -m benchmarks.native CASE_DIR --ants PYTHON`; do not edit by hand.

{facts}
- load average {os.getloadavg()[0]:.1f} at the end
- one case with skull on three grids, slices of 5.5 mm; [how it is prepared](../docs/preparation.md)

| step | |
|---|---|
{table}
"""


def _run(python: str, script: str, *arguments: str) -> list:
    done = subprocess.run(
        [python, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
