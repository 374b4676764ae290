"""Time the preparation of native scans, and ANTs' rigid registration of the same files; rewrites docs/preparation.md.

    python -m benchmarks.native CASE_DIR [--ants PYTHON]

PYTHON is the interpreter of an environment with `antspyx`, which the project does not install. Waiting times
depend on other work on the machine; processor seconds hardly do.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.report import machine
from model.io.case import find_case_files

PAGE = Path(__file__).parents[1] / "docs" / "preparation.md"
BEGIN, END = "<!-- timed -->", "<!-- end of times -->"
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
import json, resource, sys
from pathlib import Path
from app.analysis import pipeline
from model.inference.segmenter import Segmenter
from model.io.case import find_case_files
from model.io.nifti_header import Limits
from model.preparation.plan import Options
segmenter = Segmenter.load()
paths = find_case_files(Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF)
loaded = pipeline.load(paths, names={}, limits=Limits())
found = pipeline.analyse(segmenter, loaded, Options(), progress=lambda stage, share: None)
used = resource.getrusage(resource.RUSAGE_SELF)
seconds = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps([found.timings_s, seconds, used.ru_maxrss / 1024]))
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.native", description=__doc__.split("\n")[0])
    parser.add_argument("case_dir", type=Path)
    parser.add_argument("--ants", type=Path, metavar="PYTHON")
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
    table = "\n".join(f"| {what} | {value} |" for what, value in rows)
    load = os.getloadavg()[0]
    facts = "\n".join(f"- {fact}" for fact in machine())
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    text = f"{facts}\n- {time.strftime('%Y-%m-%d')}, load average {load:.1f}\n\n| step | time |\n|---|---|\n{table}"
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    return 0


def _run(python: str, script: str, *arguments: str) -> list:
    done = subprocess.run(
        [python, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
