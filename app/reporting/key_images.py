"""Which slices a report shows, and what is drawn in them."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace

from app.analysis.drawn import Drawn
from app.analysis.measurements import PLANE_AXES, Measurements
from app.analysis.values import PlaneSlices, Slices
from app.reporting import rendering
from app.store.results import Results
from model.geometry import bounding_box
from model.io.modalities import MODALITIES

# The sequence that shows enhancing tumour.
ENHANCED = "t1ce"
# Margin around the head, as a share of each edge of the volume.
FRAME_MARGIN = 0.02
# Points of a line, each (x, y) as fractions of a picture from its left and its top.
Line = tuple[tuple[float, float], ...]
# Left, top, right and bottom of a part of a picture, in the same fractions.
Frame = tuple[float, float, float, float]


@dataclass(frozen=True)
class Mark:
    """Something drawn over a picture: its lines, and the number beside them, if it has one."""

    lines: tuple[Line, ...]
    kind: str = "rano"
    label: str = ""


@dataclass(frozen=True)
class KeyImage:
    """One slice of a plane, the sequence it is shown in, and what is drawn over it."""

    plane: str
    index: int
    count: int
    modality: str
    marks: tuple[Mark, ...] = ()


def key_images(
    measurements: Measurements, present: Container[str], drawn: Iterable[Drawn] = ()
) -> list[KeyImage]:
    """Return one slice of each plane.

    present : the sequences that the case has ; drawn : by hand

    The axial one is that of the diameters where there are any, as a reader moved them; the others show the most
    tumour, or the middle where nothing was marked.
    """
    first, images = rendering.first_modality(present), []
    for plane, slices in measurements.slices.items():
        index, marks, modality = key_slice(slices), (), first
        if plane == "axial" and (found := _diameters(measurements, drawn)):
            index, marks = found[0], (Mark(found[1]),)
            # The diameters are those of the enhancing tumour, which T1ce alone shows.
            modality = ENHANCED if ENHANCED in present else first
        images.append(KeyImage(plane, index, slices.count, modality, marks))
    return images


def _diameters(
    measurements: Measurements, drawn: Iterable[Drawn]
) -> tuple[int, tuple[Line, ...]] | None:
    """Return the axial slice of the diameters and their lines: those that a reader moved, else the model's."""
    slices = measurements.slices
    for item in drawn:
        if item.kind == "rano" and item.plane == "axial" and item.slice < slices.axial.count:
            ends = item.points[:2], item.points[2:]
            return item.slice, lines_between(ends, "axial", slices)
    rano = measurements.rano
    return (rano.slice, diameter_lines(measurements)) if rano else None


def picture_rows(
    measurements: Measurements, present: Container[str], drawn: Iterable[Drawn] = ()
) -> list[list[KeyImage]]:
    """Return the rows of key images of a report: the planes, and all sequences where no features are known."""
    rows = [key_images(measurements, present, drawn)]
    if measurements.features is None:
        rows.append(sequence_images(measurements, present))
    return rows


def sequence_images(measurements: Measurements, present: Container[str]) -> list[KeyImage]:
    """Return one axial slice, that of `key_images`, in each sequence that the case has.

    For a case with nothing to measure, whose reader wants to see the scans all the more.
    """
    axial = key_images(measurements, present)[0]
    return [
        replace(axial, modality=modality, marks=())
        for modality in MODALITIES
        if modality in present
    ]


def key_slice(slices: PlaneSlices) -> int:
    """Return the slice of a plane with the most tumour, else the middle."""
    return slices.count // 2 if slices.largest is None else slices.largest


def diameter_lines(measurements: Measurements) -> tuple[Line, ...]:
    """Return the two diameters as lines in the axial picture of their slice, if there are any."""
    rano = measurements.rano
    segments = (rano.longest_ends, rano.perpendicular_ends) if rano else ()
    return lines_between(segments, "axial", measurements.slices)


def lines_between(
    segments: Sequence[Sequence[Sequence[float]]], plane: str, slices: Slices
) -> tuple[Line, ...]:
    """Return lines through voxel coordinates (3,) as lines in the pictures of a plane.

    Coordinates are canonical, with whole numbers at voxel centres. Whatever is to be drawn over a key image goes
    into its `marks`: page and PDF draw all of them.
    """
    axes = [(axis, slices[name].count) for name, axis in PLANE_AXES.items() if name != plane]

    def place(point: Sequence[float]) -> tuple[float, float]:
        # Pictures are radiological: right is left, anterior and superior are up, against all indices.
        x, y = ((count - 0.5 - point[axis]) / count for axis, count in sorted(axes))
        return x, y

    return tuple(tuple(place(point) for point in line) for line in segments)


def frames(results: Results, modality: str) -> dict[str, Frame]:
    """Return by plane the part of its pictures that holds the head, to crop the background.

    modality : any sequence of the case; all show the same head
    """
    head = results.display(modality) > 0
    box = bounding_box(head) if head.any() else tuple(slice(0, n) for n in head.shape)
    return {plane: frame(box, head.shape, plane) for plane in rendering.PLANES}


def frame(box: tuple[slice, ...], shape: tuple[int, ...], plane: str) -> Frame:
    """Return the part of a plane's picture that a box of canonical voxels takes, with a margin."""
    across, down = (axis for axis in range(3) if axis != PLANE_AXES[plane])
    # Pictures run against both of their indices.
    left, right = (1 - (edge / shape[across]) for edge in (box[across].stop, box[across].start))
    top, bottom = (1 - (edge / shape[down]) for edge in (box[down].stop, box[down].start))
    return (
        max(0.0, left - FRAME_MARGIN),
        max(0.0, top - FRAME_MARGIN),
        min(1.0, right + FRAME_MARGIN),
        min(1.0, bottom + FRAME_MARGIN),
    )


def look(modality: str, window: tuple[float, float] | None = None) -> rendering.Look:
    """Return how key images of a sequence are drawn: with outlines in full colour, at a window if one was chosen."""
    return rendering.Look(modality, outline=True, opacity=1.0, window=window)
