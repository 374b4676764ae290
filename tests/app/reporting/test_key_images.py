from dataclasses import replace

import numpy as np
import pytest

from app.analysis.drawn import Drawn
from app.analysis.features import Features, Proportion, Proportions
from app.analysis.measurements import Measurements
from app.analysis.rano import Rano
from app.analysis.values import PlaneSlices, Slices, VolumesMl
from app.reporting.drawn_images import MOST_IMAGES, drawn_rows
from app.reporting.key_images import (
    FRAME_MARGIN,
    diameter_lines,
    frame,
    frames,
    key_images,
    lines_between,
    look,
    picture_rows,
)
from app.reporting.rendering import picture_slice
from app.store.results import Results
from model.io.modalities import MODALITIES

EMPTY = VolumesMl(0.0, 0.0, 0.0, 0.0, 0.0)
SLICES = Slices(PlaneSlices(20, 7), PlaneSlices(40, 9), PlaneSlices(30, None))
RANO = Rano(
    longest_mm=26.0,
    perpendicular_mm=12.0,
    product_mm2=312.0,
    slice=5,
    longest_ends=((2.0, 10.0, 5.0), (28.0, 10.0, 5.0)),
    perpendicular_ends=((15.0, 4.0, 5.0), (15.0, 16.0, 5.0)),
    measurable=True,
)
WITH_RANO = Measurements(EMPTY, 1200.0, 0.001, SLICES, rano=RANO)
WITHOUT = replace(WITH_RANO, rano=None)


def test_the_axial_slice_is_that_of_the_diameters():
    images = key_images(WITH_RANO, ("t1", "t1ce", "t2"))
    assert [(image.plane, image.index, image.modality) for image in images] == [
        ("axial", 5, "t1ce"),
        ("coronal", 9, "t2"),
        ("sagittal", 15, "t2"),
    ]
    assert [len(mark.lines) for image in images for mark in image.marks] == [2]
    assert images[0].marks


def test_where_nothing_can_be_measured_all_sequences_are_shown():
    planes, sequences = picture_rows(WITH_RANO, ("t1", "t1ce", "t2"))
    assert len(planes) == 3
    assert [(image.plane, image.index, image.modality) for image in sequences] == [
        ("axial", 5, name) for name in ("t1", "t1ce", "t2")
    ]
    features = Features(Proportions(*[Proportion(0.0, "none")] * 3), None, 0, 0)
    assert len(picture_rows(replace(WITH_RANO, features=features), MODALITIES)) == 1


def test_without_diameters():
    axial = key_images(WITHOUT, MODALITIES)[0]
    assert (axial.index, axial.modality) == (7, "flair")
    assert diameter_lines(WITHOUT) == ()


def test_diameters_without_the_sequence_that_shows_them():
    axial = key_images(WITH_RANO, ("flair", "t1", "t2"))[0]
    assert (axial.index, axial.modality, len(axial.marks[0].lines)) == (5, "flair", 2)


def drawn(number, kind, index, *points, plane="axial", modality="flair"):
    return Drawn(number, f"a{number}", kind, plane, index, modality, "", points)


def test_diameters_that_a_reader_moved_stand_for_those_of_the_model():
    moved = drawn(1, "rano", 9, (2, 10, 9), (20, 10, 9), (15, 4, 9), (15, 16, 9))
    axial = key_images(WITH_RANO, MODALITIES, [moved])[0]
    assert axial.index == 9
    (mark,) = axial.marks
    assert mark.lines[0] == lines_between([moved.points[:2]], "axial", SLICES)[0]
    assert key_images(WITHOUT, MODALITIES, [moved])[0].marks


def test_slices_that_were_drawn_on_are_shown():
    items = [
        drawn(1, "ruler", 5, (0, 0, 5), (9, 0, 5)),
        drawn(2, "angle", 8, (0, 8, 0), (9, 8, 0), (9, 8, 9), plane="coronal"),
        drawn(3, "ellipse", 5, (0, 0, 5), (9, 9, 5)),
        drawn(4, "arrow", 5, (0, 0, 5), (9, 9, 5), modality="t2"),
        # Beyond the last slice.
        drawn(5, "ruler", 20, (0, 0, 20), (9, 0, 20)),
    ]
    (row,) = drawn_rows(items, WITHOUT, (1.0, 1.0, 1.0))
    assert [(image.plane, image.index, image.modality) for image in row] == [
        ("axial", 5, "flair"),
        ("coronal", 8, "flair"),
        ("axial", 5, "t2"),
    ]
    assert [mark.label for mark in row[0].marks] == ["1", "3"]
    many = [drawn(n, "ruler", n, (0, 0, n), (9, 0, n)) for n in range(20)]
    rows = drawn_rows(many, WITHOUT, (1.0, 1.0, 1.0))
    assert sum(map(len, rows)) == MOST_IMAGES and max(map(len, rows)) == 3


def test_lines_end_where_the_picture_shows_their_voxels():
    volume = np.zeros((30, 40, 20), np.uint8)
    volume[2, 10, 5], volume[28, 10, 5] = 1, 2
    picture = picture_slice(volume, "axial", 5)
    ends = diameter_lines(WITH_RANO)[0]
    for value, (x, y) in zip((1, 2), ends, strict=True):
        row, column = np.argwhere(picture == value)[0]
        assert x * picture.shape[1] == pytest.approx(column + 0.5)
        assert y * picture.shape[0] == pytest.approx(row + 0.5)


@pytest.mark.parametrize(("plane", "index"), [("axial", 5), ("coronal", 10), ("sagittal", 2)])
def test_lines_of_every_plane_end_where_the_picture_shows_their_voxels(plane, index):
    volume = np.zeros((30, 40, 20), np.uint8)
    volume[2, 10, 5] = 1
    row, column = np.argwhere(picture_slice(volume, plane, index))[0]
    ((x, y), _), *_ = lines_between([((2, 10, 5), (0, 0, 0))], plane, SLICES)
    height, width = picture_slice(volume, plane, index).shape
    assert (x * width, y * height) == pytest.approx((column + 0.5, row + 0.5))


def test_a_frame_holds_what_the_box_does():
    shape, box = (100, 50, 200), (slice(10, 40), slice(20, 30), slice(150, 200))
    volume = np.zeros(shape, np.uint8)
    volume[box] = 1
    for plane, index in (("axial", 160), ("coronal", 25), ("sagittal", 20)):
        picture = picture_slice(volume, plane, index)
        rows, columns = (np.flatnonzero(picture.any(axis=axis)) for axis in (1, 0))
        left, top, right, bottom = frame(box, shape, plane)
        assert left == pytest.approx(columns[0] / picture.shape[1] - FRAME_MARGIN)
        assert right == pytest.approx((columns[-1] + 1) / picture.shape[1] + FRAME_MARGIN)
        assert top == pytest.approx(max(0, rows[0] / picture.shape[0] - FRAME_MARGIN))
        assert bottom == pytest.approx((rows[-1] + 1) / picture.shape[0] + FRAME_MARGIN)


def test_frames_of_a_case(tmp_path):
    volume = np.zeros((20, 30, 40), np.uint8)
    np.save(tmp_path / "t2.npy", volume)
    assert set(frames(Results(tmp_path), "t2").values()) == {(0.0, 0.0, 1.0, 1.0)}
    volume[5:15, 5:25, 5:35] = 9
    np.save(tmp_path / "t2.npy", volume)
    assert frames(Results(tmp_path), "t2")["axial"][0] == pytest.approx(0.25 - FRAME_MARGIN)


def test_look():
    how = look("t2")
    assert (how.modality, how.outline, how.opacity) == ("t2", True, 1.0)
