"""The segmentation is read back to the same voxels at the same place, by other programs' readers."""

import io
from dataclasses import replace

import highdicom as hd
import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread

from app.reporting.dicom_common import CORRECTED_WORD, NOTICE, as_file, cielab
from app.reporting.dicom_rtstruct import to_rtstruct
from app.reporting.dicom_seg import to_seg
from app.reporting.dicom_sr import to_sr
from model.errors import CaseError
from model.geometry import to_canonical
from model.io.dicom import source as sources
from model.io.dicom.geometry import LPS_TO_RAS
from model.io.dicom.pixels import read_series
from model.labels import REGIONS
from tests.app.reporting.dicom_cases import CORRECTED, MODEL, MODELS, segmented
from tests.support.dicom_judge import errors, needs_judge
from tests.support.dicom_reading import series_in
from tests.support.dicom_study import Patient, Written, enhanced_file


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


SLIPS = {
    "empty": {"AccessionNumber": "", "PatientBirthDate": "", "StudyID": "", "PatientSex": "", "PatientID": ""},
    "too long": {"PatientID": "x" * 80, "StudyID": "y" * 40, "PatientSex": "FEMALE", "AccessionNumber": "z" * 30},
    "other scripts": {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Yamada^Tarou=山田^太郎"},
    "no frame of reference": {"FrameOfReferenceUID": ""},
    "no date": {"StudyDate": "", "StudyTime": ""},
    "one word": {"PatientName": "ANON"},
}  # fmt: skip


@needs_judge
@pytest.mark.parametrize("name", SLIPS)
@pytest.mark.filterwarnings("ignore:.*(Invalid value|exceeds the maximum length)")
def test_headers_with_slips_make_valid_results(tmp_path, name):
    drawn = segmented(tmp_path / "in", False, patient=Patient(elements=SLIPS[name]))
    seg = to_seg(drawn.labels, drawn.affine, drawn.source, MODELS)
    results = [
        seg,
        to_sr(drawn.measurements, seg, drawn.source, MODELS),
        to_rtstruct(drawn.labels, drawn.affine, drawn.source, MODELS),
    ]
    for dataset in results:
        assert errors(dataset, tmp_path) == []
        if name == "other scripts":
            again = dcmread(io.BytesIO(as_file(dataset)))
            assert str(again.PatientName) == "Yamada^Tarou=山田^太郎"


def test_a_series_that_shares_its_file_with_another_echo(tmp_path):
    """Frames of the other echo get no segments."""
    data = np.arange(9 * 8 * 5, dtype=np.int16).reshape(9, 8, 5)
    affine = np.diag([-1, -1, 3, 1.0])
    files = [enhanced_file(Written(1, data, affine, {"EchoTime": te}, "1.2.3")) for te in (12, 90)]
    for dataset in files:
        for item in dataset.PerFrameFunctionalGroupsSequence:
            item.MREchoSequence = dataset.SharedFunctionalGroupsSequence[0].MREchoSequence
    del files[0].SharedFunctionalGroupsSequence[0].MREchoSequence
    files[0].PerFrameFunctionalGroupsSequence.extend(files[1].PerFrameFunctionalGroupsSequence)
    files[0].NumberOfFrames = 10
    files[0].PixelData += files[1].PixelData
    files[0].save_as(tmp_path / "a", enforce_file_format=True)
    late = next(one for one in series_in(tmp_path) if one.scan.te_ms == 90)
    source = sources.source_of(late)
    labels = np.zeros(data.shape, np.uint8)
    labels[2:5, 3:6, 1:3] = 3
    dataset = to_seg(labels, affine, source, MODELS)
    assert dataset.NumberOfFrames == 2
    frames = [
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        for group in dataset.PerFrameFunctionalGroupsSequence
    ]
    assert sorted(frames) == [7, 8]
    to_seg(np.zeros_like(labels), affine, source, MODELS)


def test_a_series_in_several_enhanced_files_is_refused(tmp_path):
    data = np.arange(9 * 8 * 6, dtype=np.int16).reshape(9, 8, 6)
    affine = np.diag([-1, -1, 3, 1.0])
    for place in range(2):
        start = affine.copy()
        start[2, 3] = 9 * place
        dataset = enhanced_file(Written(1, data[:, :, 3 * place : 3 * place + 3], start))
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{place}"
        dataset.save_as(tmp_path / str(place), enforce_file_format=True)
    (series,) = series_in(tmp_path)
    np.testing.assert_array_equal(read_series(series).data, data)
    with pytest.raises(CaseError) as caught:
        sources.source_of(series)
    assert caught.value.code == "dicom_source"


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
