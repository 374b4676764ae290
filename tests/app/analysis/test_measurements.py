import numpy as np
import pytest

from app.analysis.measurements import (
    Lesions,
    areas_mm2,
    mean_confidence,
    measure,
    percent_of_brain,
    volumes_ml,
    voxel_ml,
)
from app.analysis.values import Confidence, PercentOfBrain, PlaneSlices, VolumesMl
from model.labels import CORE, EDEMA, ENHANCING
from tests.phantoms import orientations, turned


def box(shape=(20, 30, 40)):
    labels = np.zeros(shape, np.uint8)
    labels[2:12, 5:15, 10:20] = EDEMA
    labels[4:9, 6:11, 12:17] = ENHANCING
    labels[5:7, 7:9, 13:15] = CORE
    return labels


def measured(labels, affine, brain_voxels=1000, centre=(0.0, 0.0, 0.0), confidence=255):
    confidence = np.broadcast_to(np.uint8(confidence), labels.shape)
    return measure(labels, affine, confidence, brain_voxels=brain_voxels, brain_centre_mm=centre)


def test_volumes_of_boxes():
    found = volumes_ml(box(), np.diag([1.0, 1.0, 2.0, 1.0]))
    assert found == VolumesMl(
        edema=(1000 - 125) * 2 / 1000,
        enhancing=(125 - 8) * 2 / 1000,
        core=8 * 2 / 1000,
        tumor_core=125 * 2 / 1000,
        whole_tumor=1000 * 2 / 1000,
    )


def test_volume_comes_from_the_affine():
    angle = np.deg2rad(30)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    oblique = np.eye(4)
    oblique[:3, :3] = turn @ np.diag([0.5, 2.0, 3.0])
    assert voxel_ml(oblique) == pytest.approx(0.003)
    assert voxel_ml(np.diag([-1.0, -1.0, 1.0, 1.0])) == pytest.approx(0.001)


def test_slices_are_counted_in_the_canonical_volume():
    labels = np.zeros((10, 12, 14), np.uint8)
    labels[2, 3:9, 4:8] = EDEMA
    labels[1, 5, 4] = CORE
    # Stored towards left and posterior: canonical indices run the other way.
    found = measured(labels, np.diag([-1.0, -1.0, 1.0, 1.0]), brain_voxels=500)
    assert found.slices.sagittal == PlaneSlices(10, 10 - 1 - 2)
    assert found.slices.axial == PlaneSlices(14, 4)
    assert found.slices.coronal.count == 12
    assert found.brain_ml == 0.5
    assert found.voxel_ml == 0.001


def test_nothing_marked():
    empty = np.zeros((8, 9, 10), np.uint8)
    found = measured(empty, np.eye(4), 0)
    assert {ml for _, ml in found.volumes_ml.items()} == {0.0}
    assert found.slices.axial == PlaneSlices(10, None)
    assert found.areas_mm2.coronal == (0.0,) * 9
    assert found.percent_of_brain is None
    assert {value for _, value in found.confidence.items()} == {None}
    assert found.lesions == Lesions(0, 0)
    assert found.rano is None
    assert found.location is None


def test_no_enhancing_tumour():
    labels = np.zeros((8, 9, 10), np.uint8)
    labels[2:6, 2:6, 2:6] = EDEMA
    found = measured(labels, np.eye(4))
    assert found.rano is None
    assert found.lesions == Lesions(1, 0)
    assert found.confidence.enhancing is None


def test_percent_of_brain():
    found = percent_of_brain(VolumesMl(30.0, 6.0, 0.0, 6.0, 36.0), 1200.0)
    assert found == PercentOfBrain(2.5, 0.5, 0.0, 0.5, 3.0)
    assert measured(box(), np.eye(4), 20_000).percent_of_brain.whole_tumor == 5.0


def test_mean_confidence_by_region():
    labels = np.array([0, EDEMA, EDEMA, ENHANCING, CORE], np.uint8).reshape(5, 1, 1)
    confidence = np.array([9, 255, 51, 102, 204], np.uint8).reshape(5, 1, 1)
    assert mean_confidence(labels, confidence) == Confidence(
        edema=0.6, enhancing=0.4, core=0.8, tumor_core=0.6, whole_tumor=0.6
    )


def test_areas_add_up_to_the_volume():
    labels, spacing = box(), np.array((0.5, 2.0, 3.0))
    areas = areas_mm2(labels > 0, np.diag([*spacing, 1]))
    for plane, axis, pixel_mm2 in (("axial", 2, 1.0), ("coronal", 1, 1.5), ("sagittal", 0, 6.0)):
        assert areas[plane].max() == 100 * pixel_mm2
        assert len(areas[plane]) == labels.shape[axis]
        assert areas[plane].sum() * spacing[axis] == pytest.approx(1000 * 3.0)


def test_areas_stand_at_the_indices_of_the_viewer():
    labels = np.zeros((10, 12, 14), np.uint8)
    labels[2, 3:9, 4:8] = EDEMA
    areas = measured(labels, np.diag([-1.0, -1.0, 1.0, 1.0])).areas_mm2
    assert [index for index, area in enumerate(areas.sagittal) if area] == [7]
    assert areas.sagittal[7] == 24.0
    assert [index for index, area in enumerate(areas.axial) if area] == [4, 5, 6, 7]


@pytest.mark.parametrize("axes", list(orientations()), ids="".join)
def test_orientation_changes_no_measurement(axes):
    affine = np.diag([1.0, 1.5, 2.0, 1.0])
    labels = box()
    labels[15, 20, 30] = ENHANCING
    confidence = (np.arange(labels.size) % 256).astype(np.uint8).reshape(labels.shape)
    about_brain = {"brain_voxels": 5000, "brain_centre_mm": (6.5, 0.0, 0.0)}
    expected = measure(labels, affine, confidence, **about_brain)
    pair, other = turned(np.stack([labels, confidence], axis=-1), affine, axes)
    assert measure(pair[..., 0], other, pair[..., 1], **about_brain) == expected
    assert expected.rano.slice == 12
    assert expected.lesions == Lesions(1, 1)
    assert expected.location.side == "both"


def test_diameters_stand_on_the_grid_of_the_scan():
    labels = np.zeros((40, 40, 20), np.uint8)
    labels[10:30, 5:20, 6:9] = EDEMA
    labels[12:28, 8:14, 7] = ENHANCING
    found = measured(labels, np.eye(4)).rano
    assert found.slice == 7
    xs = [point[0] for point in found.longest_ends]
    assert (min(xs), max(xs)) == (11.5, 27.5)


def test_phantom_volumes(phantom):
    case, labels = phantom
    found = volumes_ml(labels, case.affine)
    assert found.whole_tumor == pytest.approx(np.count_nonzero(labels) / 1000)
    assert found.tumor_core == pytest.approx(found.core + found.enhancing)
