"""The structured report holds the measurements, and refers to the segmentation."""

import nibabel as nib
import numpy as np
import pytest
from highdicom.sr import MeasurementReport, srread
from pydicom.sr.codedict import codes

from app.analysis.drawn import Drawn, measured, with_intensities
from app.analysis.measurements import measure
from app.reporting.dicom_common import BRAIN, LABELS, NOTICE
from app.reporting.dicom_seg import to_seg
from app.reporting.dicom_sr import to_sr
from app.reporting.dicom_sr_drawn import groups_of
from model.geometry import to_canonical
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


DRAWN = measured(
    [
        Drawn(1, "a", "ruler", "axial", 9, "t1ce", "", ((4, 5, 9), (14, 5, 9))),
        Drawn(2, "b", "ruler", "axial", 9, "t1ce", "", ((9, 5, 9), (9, 11, 9))),
        Drawn(3, "c", "angle", "coronal", 8, "flair", "", ((4, 8, 5), (9, 8, 5), (9, 8, 12))),
        Drawn(4, "d", "ellipse", "sagittal", 7, "t1ce", "", ((7, 2, 3), (7, 22, 13))),
        Drawn(5, "e", "arrow", "axial", 9, "t1ce", "Größe?", ((4, 5, 9), (14, 15, 9))),
        Drawn(6, "f", "rano", "axial", 9, "t1ce", "", ((4, 5, 9), (6, 5, 9), (5, 0, 9), (5, 9, 9))),
    ],
    (1.0, 1.0, 1.0),
)


def with_drawn(drawn, items=DRAWN):
    canonical, affine = to_canonical(drawn.labels, drawn.affine)
    seg = to_seg(drawn.labels, drawn.affine, drawn.source, MODELS)
    items = [with_intensities(i, canonical) if i.kind == "ellipse" else i for i in items]
    groups = groups_of(items, affine, drawn.source, MODELS)
    identity = MODELS.showing(items)
    return affine, to_sr(drawn.measurements, seg, drawn.source, identity, groups)


def test_what_was_drawn_is_read_back_where_it_was_drawn(drawn, tmp_path):
    affine, dataset = with_drawn(drawn)
    dataset.save_as(tmp_path / "sr.dcm")
    content = srread(tmp_path / "sr.dcm").content
    groups = [
        *content.get_planar_roi_measurement_groups(),
        *content.get_image_measurement_groups(),
    ]
    found = {group.tracking_identifier: group for group in groups}
    ruler = found["Drawn by hand 1: Ruler"]
    assert values(ruler)["Length"] == (10, "mm")
    (coordinates,) = ruler.get_measurements()[0].referenced_coordinates
    to_ras = np.diag([-1, -1, 1])
    there = coordinates.value @ to_ras
    assert there == pytest.approx(nib.affines.apply_affine(affine, DRAWN[0].points), abs=1e-3)
    pair = values(found["Drawn by hand 2: Ruler"])
    assert pair["Product of perpendicular diameters"] == (60, "mm2")
    assert values(found["Drawn by hand 3: Angle"])["Angle"] == (90, "deg")
    ellipse = found["Drawn by hand 4: Ellipse"]
    assert ellipse.roi.graphic_type.value == "ELLIPSE"
    names = [item.name.meaning for item in ellipse.get_measurements()]
    assert names == ["Area", *["MR signal intensity"] * 3]
    arrow = found["Drawn by hand 5: Arrow"]
    assert arrow.roi.value @ to_ras == pytest.approx(
        nib.affines.apply_affine(affine, DRAWN[4].points[:1]), abs=1e-3
    )
    texts = [item.TextValue for item in arrow[0].ContentSequence if item.ValueType == "TEXT"]
    assert "Drawn by hand. Größe?" in texts
    rano = values(found["Drawn by hand 6: RANO lines"])
    assert (rano["Long axis"], rano["Short axis"]) == ((9, "mm"), (2, "mm"))


def test_other_drawings_are_another_report(drawn):
    uids = {with_drawn(drawn, items)[1].SOPInstanceUID for items in (DRAWN, DRAWN[:2], [])}
    assert len(uids) == 3
    assert with_drawn(drawn)[1].SOPInstanceUID in uids
    # The same as without any way to draw.
    assert MODELS.showing([]) == MODELS


@needs_judge
def test_dciodvfy_finds_no_errors(drawn, report, tmp_path):
    assert errors(report[1], tmp_path) == []
    assert errors(empty_of(drawn), tmp_path) == []
    assert errors(with_drawn(drawn)[1], tmp_path) == []
