"""From the files of a study to stacks of slices: by series, then by what tells volumes apart."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from model.io.dicom.geometry import SAME_MM, distance_deg
from model.io.dicom.headers import Frame, Instance

# Slices turned by more than this belong to different stacks, as the planes of a localiser do.
STACK_DEG = 5.0
# What tells apart the volumes of a series that has several slices at one place, in this order. Echo and
# inversion times are rounded: they waver between slices of some scanners.
_KEYS: tuple[tuple[str, Callable[[Frame], object]], ...] = (
    ("image_type", lambda frame: frame.image_type),
    ("echo", lambda frame: _rounded(frame.scan.te_ms)),
    ("b_value", lambda frame: _rounded(frame.b_value)),
    ("inversion", lambda frame: _rounded(frame.scan.ti_ms)),
    ("temporal", lambda frame: frame.temporal),
    ("acquisition", lambda frame: frame.acquisition),
    ("time", lambda frame: frame.time),
)
# Keys by which a series is repeated in time.
REPEATS = ("temporal", "acquisition", "time")


@dataclass(frozen=True)
class Stack:
    """Slices that may make one volume.

    split_by : by which keys its series has several of them; siblings : how many the series has
    """

    instances: tuple[Instance, ...]
    frames: tuple[Frame, ...]
    split_by: tuple[str, ...] = ()
    siblings: int = 1
    planes: int = 1


def stacks(instances: Iterable[Instance]) -> list[Stack]:
    """Return the stacks of all series, in the order of the series' numbers and of time."""
    series: dict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        series[instance.series_uid].append(instance)
    found = [part for members in series.values() for part in _stacks_of(members)]
    return sorted(found, key=_place)


def _place(part: Stack) -> tuple:
    first = part.instances[0]
    time = part.frames[0].time if part.frames else first.time
    return first.number is None, first.number or 0, time is None, str(time), first.series_uid


def _stacks_of(instances: list[Instance]) -> list[Stack]:
    frames = [frame for instance in instances for frame in instance.frames]
    if not frames:
        return [Stack(tuple(instances), ())]
    by_path = {instance.path: instance for instance in instances}
    planes = _by_plane(frames)
    parts = []
    for plane in planes:
        for component in _by(lambda frame: frame.component, plane):
            parts += _without_repeats(component, _KEYS)
    return [
        Stack(
            tuple(dict.fromkeys(by_path[frame.path] for frame in part)),
            tuple(part),
            split_by,
            len(parts),
            len(planes),
        )
        for part, split_by in parts
    ]


def _by_plane(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Return the frames in groups of about one orientation; those without have one of their own."""
    groups: list[list[Frame]] = []
    for frame in frames:
        for group in groups:
            known = group[0].orientation
            if bool(known) == bool(frame.orientation) and (
                not known or distance_deg(known, frame.orientation) <= STACK_DEG
            ):
                group.append(frame)
                break
        else:
            groups.append([frame])
    return groups


def _by(key: Callable[[Frame], object], frames: Iterable[Frame]) -> list[list[Frame]]:
    groups: dict[object, list[Frame]] = defaultdict(list)
    for frame in frames:
        groups[key(frame)].append(frame)
    return list(groups.values())


def _without_repeats(
    frames: list[Frame], keys: Sequence[tuple[str, Callable[[Frame], object]]]
) -> list[tuple[list[Frame], tuple[str, ...]]]:
    """Split frames by keys as long as several lie at one place; return parts and keys used.

    A key that leaves every part with one slice makes no volumes, and is not used. What still has several
    slices at one place after the last key is returned as it is, to be refused.
    """
    if not _has_repeats(frames):
        return [(frames, ())]
    for place, (name, key) in enumerate(keys):
        parts = _by(key, frames)
        if 1 < len(parts) < len(frames):
            rest = keys[place + 1 :]
            return [
                (part, (name, *used))
                for group in parts
                for part, used in _without_repeats(group, rest)
            ]
    return [(frames, ())]


def _has_repeats(frames: Sequence[Frame]) -> bool:
    if len(frames) < 2 or not all(frame.position_mm and frame.orientation for frame in frames):
        return False
    along = np.sort([frame.position_mm for frame in frames] @ frames[0].normal)
    return bool((np.diff(along) < SAME_MM).any() and np.ptp(along) >= SAME_MM)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
