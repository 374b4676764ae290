"""Measure the serving path and its rivals in one run, and write benchmarks/README.md.

    python -m benchmarks.bench [--case DIR] [--engine auto] [--repeats 5]

Every time is wall time; the table gives the median and the range over the repeats.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import batches, last_release, pages, rivals, serving
from benchmarks.report import Measurement, machine, write

RESULTS = Path(__file__).parent / "README.md"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.bench", description=__doc__.split("\n")[0])
    parser.add_argument("--case", type=Path, help="folder of a case; default: a synthetic one")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--engine", choices=("auto", "tensorflow", "openvino"), default="auto")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    sections: dict[str, list[Measurement]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case_dir = options.case or serving.write_brats_sized_case(folder / "case")
        steps = {
            "Serving": lambda: serving.measure_serving(
                case_dir, folder, options.engine, options.repeats
            ),
            "Growth": lambda: serving.measure_growth(
                case_dir, folder, options.engine, options.repeats
            ),
            "Batches": lambda: batches.measure_batches(case_dir, options.engine, options.repeats),
            "Overlays": lambda: serving.measure_overlays(folder),
            "Pages": lambda: pages.measure_pages(case_dir, folder, options.repeats),
            "Last release": lambda: last_release.measure_last_release(
                case_dir, folder, options.repeats
            ),
            "Rivals": lambda: rivals.measure_rivals(
                case_dir,
                [m for m in sections["Serving"] if m.name.startswith(serving.END_TO_END)],
                options.repeats,
            ),
        }
        for title, step in steps.items():
            console.print(f"{title} ...")
            sections[title] = step()
            for measurement in sections[title]:
                console.print("  " + measurement.line())
    what = f"the case in `{options.case.name}`" if options.case else "a synthetic case"
    write(options.out, machine(), what, sections)
    console.print(f"written to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
