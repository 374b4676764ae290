"""A series of a study as people choose among them: its facts, its grid, and why it is left out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from model.geometry import spacing_mm
from model.io.dicom import kinds
from model.io.dicom.geometry import Grid, stack
from model.io.dicom.grouping import Stack, stacks
from model.io.dicom.headers import Frame, Instance, Scan
from model.io.dicom.reasons import Reason
from model.io.nifti_header import Limits
from model.planes import Plane

_PLANES: tuple[Plane, ...] = ("sagittal", "coronal", "axial")


@dataclass(frozen=True)
class Series:
    """Slices of one series that make, or fail to make, one volume.

    key : the series' UID, with a number behind it where the series has several volumes
    grid : None where there is none; `problems` then says why
    left_out : why it is none of the four sequences, by its headers
    computed : whether it is called derived, though nothing says from what
    """

    key: str
    instances: tuple[Instance, ...]
    frames: tuple[Frame, ...]
    grid: Grid | None
    problems: tuple[Reason, ...]
    left_out: tuple[Reason, ...]
    computed: bool = False

    @property
    def uid(self) -> str:
        return self.instances[0].series_uid

    @property
    def number(self) -> int | None:
        return self.instances[0].number

    @property
    def description(self) -> str:
        return self.instances[0].description

    @property
    def protocol(self) -> str:
        return self.instances[0].protocol

    @property
    def name(self) -> str:
        """What messages call the series: by its number, since descriptions can hold names."""
        return f"series {self.number}" if self.number is not None else "a series without a number"

    @property
    def vendor(self) -> str:
        return self.instances[0].vendor

    @property
    def scan(self) -> Scan:
        return self.frames[0].scan if self.frames else Scan()

    @property
    def time(self) -> datetime | None:
        times = [frame.time for frame in self.frames if frame.time]
        return min(times, default=self.instances[0].time)

    @property
    def slices(self) -> int:
        return len(self.frames)

    @property
    def shape(self) -> tuple[int, ...]:
        """Columns, rows and slices."""
        first = self.frames[0] if self.frames else None
        return (first.columns, first.rows, len(self.frames)) if first else (0, 0, 0)

    @property
    def thickness_mm(self) -> float | None:
        return self.frames[0].thickness_mm if self.frames else None

    @property
    def spacing_mm(self) -> tuple[float, ...] | None:
        """Edges of a voxel (3,) along columns, rows and slices, None without a grid."""
        return tuple(map(float, spacing_mm(self.grid.affine))) if self.grid else None

    @property
    def plane(self) -> Plane | None:
        """The plane nearest to its slices, None where headers do not say."""
        if not self.frames or not self.frames[0].orientation:
            return None
        return _PLANES[int(np.abs(self.frames[0].normal).argmax())]

    @property
    def oblique_deg(self) -> float:
        """By how much the slices are turned out of `plane`."""
        cosine = np.abs(self.frames[0].normal).max() if self.plane else 1.0
        return float(np.degrees(np.arccos(min(1.0, cosine))))

    @property
    def usable(self) -> bool:
        """Whether it is a volume that may be one of the four sequences."""
        return self.grid is not None and not self.problems and not self.left_out


def series_of(instances: Iterable[Instance], limits: Limits = Limits()) -> list[Series]:
    """Return all series of one study in the order of their numbers, also those of no use."""
    found, counts = [], {}
    for part in stacks(instances):
        uid = part.instances[0].series_uid
        counts[uid] = counts.get(uid, 0) + 1
        key = uid if counts[uid] == 1 else f"{uid}/{counts[uid]}"
        found.append(_series(part, key, limits))
    return found


def _series(part: Stack, key: str, limits: Limits) -> Series:
    left_out = kinds.of_stack(part)
    grid = stack(part.frames) if part.frames else None
    problems = [grid] if isinstance(grid, Reason) else []
    grid = None if isinstance(grid, Reason) else grid
    if part.frames:
        problems += _pixel_problems(part, limits)
    computed = kinds.is_computed(part.frames)
    return Series(
        key, part.instances, part.frames, grid, tuple(problems), tuple(left_out), computed
    )


def _pixel_problems(part: Stack, limits: Limits) -> list[Reason]:
    problems = []
    # A file is decoded as a whole, also where only some of its frames belong to the series.
    voxels = [sum(f.rows * f.columns for f in i.frames) for i in part.instances]
    largest = max(*voxels, sum(f.rows * f.columns for f in part.frames))
    if largest > limits.max_voxels:
        problems.append(Reason("too_large", (largest, limits.max_voxels)))
    short = sum(not instance.enough_pixels for instance in part.instances)
    if short:
        problems.append(Reason("no_pixels", (short,)))
    odd = [i for i in part.instances if i.samples != 1 or i.photometric not in ("", "MONOCHROME2")]
    if odd:
        problems.append(Reason("not_grey", (odd[0].photometric or f"{odd[0].samples} values",)))
    return problems
