"""Contours filled again give the mask, and lie where it lies."""

import nibabel as nib
import numpy as np
import pytest
from PIL import Image, ImageDraw

from app.reporting.contours import outlines
from app.reporting.dicom_common import LABELS, NOTICE, masks_of
from app.reporting.dicom_rtstruct import to_rtstruct
from model.io.dicom.source import on_grid
from tests.app.reporting.dicom_cases import CORRECTED, MODELS
from tests.support.dicom_judge import errors, needs_judge

# Pixels of a finer grid along a pixel's edge, an odd number: one of them lies at the centre.
FINE = 9


def filled(polygons, shape):
    """Fill polygons (points, 2) in voxel coordinates, as a drawing program does; return (X, Y) bool."""
    total = np.zeros(shape, int)
    for polygon in polygons:
        image = Image.new("1", (shape[0] * FINE, shape[1] * FINE))
        ImageDraw.Draw(image).polygon([tuple((point + 0.5) * FINE - 0.5) for point in polygon], fill=1)  # fmt: skip
        total += np.array(image).T[FINE // 2 :: FINE, FINE // 2 :: FINE]
    return total % 2 == 1


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


SHAPES = {
    "one pixel": ["#"],
    "two that touch at a corner": ["#.", ".#"],
    "a ring": ["###", "#.#", "###"],
    "a ring in a ring": ["#######", "#.....#", "#.###.#", "#.#.#.#", "#.###.#", "#.....#", "#######"],
    "two holes": ["#####", "#.#.#", "#####"],
    "holes that touch at a corner": ["####", "#.##", "##.#", "####"],
    "nothing": ["..."],
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_filled_again(name):
    mask = np.array([[c == "#" for c in row] for row in SHAPES[name]])
    mask = np.pad(mask, 1)
    assert np.array_equal(filled(outlines(mask), mask.shape), mask)


def test_random_masks_are_filled_again():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((17, 13)) < rng.random()
        # Drawing programs draw the cut of no width to a hole, too: it can meet a centre.
        found = filled(outlines(mask), mask.shape)
        assert np.count_nonzero(found != mask) <= 0.02 * mask.size


def test_filled_again_in_the_place_of_the_scan(drawn):
    dataset = to_rtstruct(drawn.labels, drawn.affine, drawn.source, MODELS)
    masks = masks_of(on_grid(drawn.labels, drawn.affine, drawn.source))
    to_voxel = np.linalg.inv(drawn.source.affine)
    names = {roi.ROINumber: roi.ROIName for roi in dataset.StructureSetROISequence}
    assert set(names.values()) == set(LABELS.values())
    for contours in dataset.ROIContourSequence:
        key = next(k for k, label in LABELS.items() if label == names[contours.ReferencedROINumber])
        slices = {}
        for contour in contours.ContourSequence:
            lps = np.reshape(np.array(contour.ContourData, float), (-1, 3))
            voxels = nib.affines.apply_affine(to_voxel, lps * (-1, -1, 1))
            place = round(float(voxels[0, 2]))
            np.testing.assert_allclose(voxels[:, 2], place, atol=1e-3)
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            slices.setdefault(place, []).append(voxels[:, :2])
            image = contour.ContourImageSequence[0]
            wanted, frame = drawn.source.references(place)
            assert image.ReferencedSOPInstanceUID == wanted.SOPInstanceUID
            assert image.get("ReferencedFrameNumber") == frame
        again = np.zeros_like(masks[key])
        for place, polygons in slices.items():
            again[:, :, place] = filled(polygons, again.shape[:2])
        assert dice(again, masks[key]) >= 0.99


def test_what_it_says_of_itself(drawn):
    dataset = to_rtstruct(drawn.labels, drawn.affine, drawn.source, CORRECTED)
    assert NOTICE in dataset.SeriesDescription and dataset.StructureSetName == NOTICE
    assert dataset.StructureSetLabel == "CORRECTED" and dataset.ApprovalStatus == "UNAPPROVED"
    assert {roi.ROIGenerationAlgorithm for roi in dataset.StructureSetROISequence} == {"SEMIAUTOMATIC"}  # fmt: skip
    assert dataset.PatientID == drawn.source.first.PatientID


@needs_judge
def test_dciodvfy_finds_no_errors(drawn, tmp_path):
    for identity in (MODELS, CORRECTED):
        dataset = to_rtstruct(drawn.labels, drawn.affine, drawn.source, identity)
        assert errors(dataset, tmp_path) == []
    empty = to_rtstruct(np.zeros_like(drawn.labels), drawn.affine, drawn.source, MODELS)
    assert "StructureSetROISequence" in empty
