"""The structured report holds the measurements, and refers to the segmentation."""

import numpy as np
import pytest
from highdicom.sr import MeasurementReport, srread
from pydicom.sr.codedict import codes

from app.analysis.measurements import measure
from app.reporting.dicom_common import BRAIN, LABELS, NOTICE
from app.reporting.dicom_seg import to_seg
from app.reporting.dicom_sr import to_sr
from model.labels import REGIONS
from tests.app.reporting.dicom_cases import CORRECTED, MODELS
from tests.support.dicom_judge import errors, needs_judge


@pytest.fixture
def report(drawn):
    seg = to_seg(drawn.labels, drawn.affine, drawn.source, MODELS)
    return seg, to_sr(drawn.measurements, seg, drawn.source, MODELS)


def values(group):
    return {item.name.meaning: (item.value, item.unit.value) for item in group.get_measurements()}


def test_measurements_are_read_back(drawn, report, tmp_path):
    seg, dataset = report
    dataset.save_as(tmp_path / "sr.dcm")
    content = srread(tmp_path / "sr.dcm").content
    groups = content.get_volumetric_roi_measurement_groups()
    others = content.get_image_measurement_groups()
    found = {group.tracking_identifier: values(group) for group in (*groups, *others)}
    assert set(found) == set(LABELS.values())
    for key, ml in drawn.measurements.volumes_ml.items():
        assert found[LABELS[key]]["Volume"] == (pytest.approx(ml, abs=1e-3), "mL")
    rano = drawn.measurements.rano
    enhancing = found[LABELS["enhancing"]]
    assert enhancing["Long axis"] == (pytest.approx(rano.longest_mm), "mm")
    assert enhancing["Short axis"] == (pytest.approx(rano.perpendicular_mm), "mm")
    for group in groups:
        segment = group.referenced_segment
        (region,) = [r for r in REGIONS if r.title == group.tracking_identifier]
        assert segment.referenced_sop_instance_uid == seg.SOPInstanceUID
        reference = segment[0].ReferencedSOPSequence[0]
        assert reference.ReferencedSegmentNumber == region.index
        segment = seg.SegmentSequence[region.index - 1]
        assert group.tracking_uid == segment.TrackingUID
        assert group.tracking_identifier == segment.TrackingID
        assert group.finding_type.scheme_designator == "SCT"


def test_lesions_are_counted_and_the_side_is_coded(drawn, report):
    content = MeasurementReport.from_sequence([report[1]])
    groups = [
        *content.get_volumetric_roi_measurement_groups(),
        *content.get_image_measurement_groups(),
    ]
    named = {group.tracking_identifier: group for group in groups}
    lesions = drawn.measurements.lesions
    whole, enhancing = named[LABELS["whole_tumor"]], named[LABELS["enhancing"]]
    for group, count in ((whole, lesions.whole_tumor), (enhancing, lesions.enhancing)):
        assert values(group)["Number of lesions"] == (count, "1")
    (site,) = whole.finding_sites
    assert drawn.measurements.location.side == "right"
    assert site.value == BRAIN and site.laterality == codes.SCT.Right
    assert enhancing.finding_sites[0].laterality is None


def test_what_it_says_of_itself(drawn, report):
    _, dataset = report
    assert NOTICE in dataset.SeriesDescription
    assert dataset.StudyInstanceUID == drawn.source.first.StudyInstanceUID
    texts = [item.TextValue for item in dataset.ContentSequence if item.ValueType == "TEXT"]
    assert any(NOTICE in text and "made by a model" in text for text in texts)
    assert dataset.VerificationFlag == "UNVERIFIED"
    assert codes.DCM.ImagingMeasurementReport.value == dataset.ConceptNameCodeSequence[0].CodeValue


def test_a_corrected_mask_says_so(drawn):
    seg = to_seg(drawn.labels, drawn.affine, drawn.source, CORRECTED)
    dataset = to_sr(drawn.measurements, seg, drawn.source, CORRECTED)
    texts = [item.TextValue for item in dataset.ContentSequence if item.ValueType == "TEXT"]
    assert any("corrected by hand" in text for text in texts)


def empty_of(drawn):
    labels = np.zeros_like(drawn.labels)
    found = measure(labels, drawn.affine, None, brain_voxels=1000, brain_centre_mm=None)
    return to_sr(found, to_seg(labels, drawn.affine, drawn.source, MODELS), drawn.source, MODELS)


def test_nothing_marked_is_a_volume_of_nought(drawn, tmp_path):
    empty_of(drawn).save_as(tmp_path / "sr.dcm")
    groups = srread(tmp_path / "sr.dcm").content.get_image_measurement_groups()
    assert len(groups) == len(LABELS)
    assert {group.get_measurements()[0].value for group in groups} == {0}


@needs_judge
def test_dciodvfy_finds_no_errors(drawn, report, tmp_path):
    assert errors(report[1], tmp_path) == []
    assert errors(empty_of(drawn), tmp_path) == []
