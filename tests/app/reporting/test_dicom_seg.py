"""The segmentation is read back to the same voxels at the same place, by other programs' readers."""

from dataclasses import replace

import highdicom as hd
import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread

from app.reporting.dicom_common import CORRECTED_WORD, NOTICE, cielab
from app.reporting.dicom_seg import to_seg
from model.geometry import to_canonical
from model.io.dicom import source as sources
from model.io.dicom.geometry import LPS_TO_RAS
from model.labels import REGIONS
from tests.app.reporting.dicom_cases import CORRECTED, MODEL, MODELS, segmented
from tests.support.dicom_judge import errors, needs_judge
from tests.support.dicom_study import Patient


def canonical(labels, affine):
    found, grid = to_canonical(labels, affine)
    return found, grid


def same_voxels(found, affine, drawn):
    """Say whether labels (X, Y, Z) with their affine are those that were drawn."""
    wanted, grid = canonical(drawn.labels, drawn.affine)
    labels, there = canonical(found, affine)
    # Slices without a region may be left out.
    shift = np.rint((np.linalg.inv(grid) @ there)[:3, 3]).astype(int)
    whole = np.zeros_like(wanted)
    whole[tuple(slice(s, s + n) for s, n in zip(shift, labels.shape, strict=True))] = labels
    np.testing.assert_array_equal(whole, wanted)
    np.testing.assert_allclose(there[:3, :3], grid[:3, :3], atol=1e-4)
    np.testing.assert_allclose(there[:3, 3], grid[:3, 3] + grid[:3, :3] @ shift, atol=1e-3)
    return True


@pytest.mark.parametrize("labelmap", [False, True])
def test_read_back_by_highdicom(drawn, tmp_path, labelmap):
    dataset = to_seg(drawn.labels, drawn.affine, drawn.source, MODELS, labelmap=labelmap)
    dataset.save_as(tmp_path / "seg.dcm")
    volume = hd.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True)
    assert same_voxels(volume.array.astype(np.uint8), LPS_TO_RAS @ volume.affine, drawn)


def test_read_back_frame_by_frame(drawn, tmp_path):
    """As simple readers do: each frame's place in its own functional group."""
    path = tmp_path / "seg.dcm"
    to_seg(drawn.labels, drawn.affine, drawn.source, MODELS).save_as(path)
    dataset = dcmread(path)
    found = np.zeros(drawn.source.shape, np.uint8)
    to_voxel = np.linalg.inv(drawn.source.affine)
    for frame, group in zip(dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence, strict=True):  # fmt: skip
        position = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        place = nib.affines.apply_affine(to_voxel, position * (-1, -1, 1))
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        np.testing.assert_allclose(place[:2], 0, atol=1e-3)
        found[:, :, round(place[2])][frame.T > 0] = number
        reference = group.DerivationImageSequence[0].SourceImageSequence[0]
        wanted, frame_number = drawn.source.references(round(place[2]))
        assert reference.ReferencedSOPInstanceUID == wanted.SOPInstanceUID
        assert reference.get("ReferencedFrameNumber") == frame_number
    assert same_voxels(found, drawn.source.affine, drawn)


def test_what_it_says_of_itself(drawn):
    dataset = to_seg(drawn.labels, drawn.affine, drawn.source, MODELS)
    first = drawn.source.first
    assert dataset.StudyInstanceUID == first.StudyInstanceUID
    assert dataset.PatientID == first.PatientID and dataset.PatientName == first.PatientName
    assert dataset.SeriesInstanceUID != first.SeriesInstanceUID
    assert dataset.FrameOfReferenceUID == first.FrameOfReferenceUID
    assert NOTICE in dataset.SeriesDescription and dataset.ContentDescription == NOTICE
    assert dataset.ReferencedSeriesSequence[0].SeriesInstanceUID == first.SeriesInstanceUID
    for segment, region in zip(dataset.SegmentSequence, REGIONS, strict=True):
        assert segment.SegmentNumber == region.index and segment.SegmentLabel == region.title
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        kind = segment.SegmentedPropertyTypeCodeSequence[0]
        assert kind.CodingSchemeDesignator == "SCT"
        (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
        assert algorithm.AlgorithmVersion == MODEL.version
        assert MODEL.checksum in algorithm.AlgorithmParameters


def test_a_corrected_mask_says_so_in_a_new_instance(drawn):
    first = to_seg(drawn.labels, drawn.affine, drawn.source, MODELS)
    again = to_seg(drawn.labels, drawn.affine, drawn.source, MODELS)
    other = to_seg(drawn.labels, drawn.affine, drawn.source, CORRECTED)
    assert first.SOPInstanceUID == again.SOPInstanceUID
    assert other.SOPInstanceUID != first.SOPInstanceUID
    assert other.SeriesInstanceUID != first.SeriesInstanceUID
    regions = zip(first.SegmentSequence, other.SegmentSequence, strict=True)
    assert all(a.TrackingUID == b.TrackingUID for a, b in regions)
    namesake = replace(MODELS, source_uid="1.2.4")
    assert namesake.uid("seg", "instance") != first.SOPInstanceUID
    assert CORRECTED_WORD in other.SeriesDescription and NOTICE in other.SeriesDescription
    assert other.ContentLabel == "CORRECTED"
    assert {one.SegmentAlgorithmType for one in other.SegmentSequence} == {"SEMIAUTOMATIC"}


def test_an_empty_mask_is_written_too(drawn):
    dataset = to_seg(np.zeros_like(drawn.labels), drawn.affine, drawn.source, MODELS)
    assert not dataset.pixel_array.any() and len(dataset.SegmentSequence) == 3


def test_a_mask_of_another_grid_is_refused(drawn):
    with pytest.raises(ValueError, match="grid"):
        to_seg(drawn.labels[1:], drawn.affine, drawn.source, MODELS)
    moved = drawn.affine.copy()
    moved[0, 3] += 3
    with pytest.raises(ValueError, match="grid"):
        to_seg(drawn.labels, moved, drawn.source, MODELS)


def test_sources_are_kept_and_read_again(drawn, tmp_path):
    sources.save(drawn.source, tmp_path / "source")
    again = sources.load(tmp_path / "source")
    np.testing.assert_array_equal(again.affine, drawn.source.affine)
    assert again.shape == drawn.source.shape and again.frames == drawn.source.frames
    one, other = (to_seg(drawn.labels, drawn.affine, s, MODELS) for s in (drawn.source, again))
    assert one.PixelData == other.PixelData and one.PatientName == other.PatientName
    assert all("PixelData" not in dataset for dataset in again.datasets)


def test_headers_with_slips_make_valid_results(tmp_path):
    patient = Patient("Müller^Jörg", elements={"AccessionNumber": "", "PatientBirthDate": "", "StudyID": "", "PatientSex": ""})  # fmt: skip
    drawn = segmented(tmp_path, False, patient=patient)
    dataset = to_seg(drawn.labels, drawn.affine, drawn.source, MODELS)
    assert str(dataset.PatientName) == "Müller^Jörg"


@needs_judge
def test_dciodvfy_finds_no_errors(drawn, tmp_path):
    for identity in (MODELS, CORRECTED):
        dataset = to_seg(drawn.labels, drawn.affine, drawn.source, identity)
        assert errors(dataset, tmp_path) == []


def test_colours():
    assert cielab("#FFFFFF") == pytest.approx((100, 0, 0), abs=0.1)
    assert cielab("#000000") == pytest.approx((0, 0, 0), abs=0.1)
    # Red under D50, as colour management has it.
    assert cielab("#FF0000") == pytest.approx((54.3, 80.8, 69.9), abs=0.3)
