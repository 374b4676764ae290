"""Measurements, the machine they were made on, and the table they end in."""

import importlib.metadata
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from model.inference.engines import has_nvidia_gpu

# Sections of the page that other commands write, in its order; all before them is `make bench`'s.
VIEWER, NATIVE, DICOM, SOAK = "## Viewer", "## Native scans", "## DICOM", "## Soak"
LIBRARIES = ("openvino", "tensorflow", "keras", "numpy", "torch", "monai")


@dataclass(frozen=True)
class Measurement:
    """`values` in `unit`, one for each repeat."""

    name: str
    values: tuple[float, ...]
    unit: str = "s"
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def row(self) -> str:
        low, high = _number(min(self.values)), _number(max(self.values))
        spread = f"{low} to {high}" if len(self.values) > 1 else ""
        return f"| {self.name} | {_number(self.median)} {self.unit} | {spread} | {self.note} |"

    def line(self) -> str:
        return f"{self.name}: {_number(self.median)} {self.unit} {self.note}".rstrip()


def _number(value: float) -> str:
    """Return three digits that matter, never in powers of ten."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def timed(name: str, action: Callable[[], object], repeats: int, note: str = "") -> Measurement:
    """Run `action` once to warm up and then `repeats` times."""
    action()
    values = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        values.append(time.perf_counter() - start)
    return Measurement(name, tuple(values), note=note)


def machine() -> list[str]:
    """Describe processor, memory, versions and commit."""
    cpu = next(
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    flags = Path("/proc/cpuinfo").read_text()
    fast = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags]
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    versions = []
    for library in LIBRARIES:
        try:
            versions.append(f"{library} {importlib.metadata.version(library)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return [
        f"{cpu}, {len(os.sched_getaffinity(0))} cores ({', '.join(fast) or 'no bfloat16'}), "
        f"{memory_gb:.0f} GB",
        f"Python {platform.python_version()}, {', '.join(versions)}",
        f"commit {commit or 'unknown'}, {time.strftime('%Y-%m-%d')}",
    ]


def write(
    path: Path, machine: list[str], what: str, sections: dict[str, list[Measurement]]
) -> None:
    """Write the tables as Markdown; what other commands wrote in `path` stays."""
    lines = ["# Benchmarks", "", "Written by `make bench`; do not edit by hand.", ""]
    lines += [f"- {line}" for line in machine] + [f"- measured on {what}", ""]
    for title, measurements in sections.items():
        lines += [f"## {title}", "", "| what | median | range | |", "|---|---|---|---|"]
        lines += [measurement.row() for measurement in measurements] + [""]
    lines += [
        *([] if has_nvidia_gpu() else ["Not measured: a GPU (there was none on this machine)."]),
        "Rivals whose packages are not installed are left out: MONAI's SegResNet wants `torch` and `monai`, "
        "nnU-Net's network",
        "`torch` and `dynamic-network-architectures`. The last release is left out where the history is not there.",
        "",
    ]
    _join(path, sections_of(path) | {"": "\n".join(lines)})


def write_section(path: Path, section: str) -> None:
    """Put a section, which begins with one of the headings above, in place of the last one of that name in `path`."""
    _join(path, sections_of(path) | {section.partition("\n")[0]: section})


def sections_of(path: Path) -> dict[str, str]:
    """Return the parts of a page by heading, "" for what `make bench` wrote; it may not be there."""
    rest, found = path.read_text() if path.exists() else "", {}
    for heading in (SOAK, DICOM, NATIVE, VIEWER):
        rest, there, text = rest.partition(f"\n{heading}\n")
        if there:
            found[heading] = f"{heading}\n{text}"
    return found | {"": rest}


def _join(path: Path, sections: dict[str, str]) -> None:
    parts = [
        sections[heading].strip()
        for heading in ("", VIEWER, NATIVE, DICOM, SOAK)
        if heading in sections
    ]
    path.write_text("\n\n".join(parts) + "\n")
