"""All sequences of studies are found: by headers of three vendors, without descriptions, without physics."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from model.geometry import to_canonical
from model.io.case import Case
from model.io.dicom.pixels import read_series
from model.io.modalities import MODALITIES
from model.io.sequence_choice import choose, coverage_mm
from tests.phantoms import small_case, turned
from tests.support.dicom_reading import series_in
from tests.support.dicom_study import PHYSICS, Written, moved, scanned, write_study
from tests.support.dicom_vendors import SEQUENCES, VENDORS

NAMES = ("SeriesDescription", "ProtocolName")
LACKING = {
    "complete": (),
    "no descriptions": NAMES,
    "no physics": PHYSICS,
    "neither": (*NAMES, *PHYSICS),
    "nothing at all": (*NAMES, *PHYSICS, "AcquisitionTime"),
}


@pytest.fixture(scope="module")
def case():
    """A phantom as large as a head."""
    small, _ = small_case()
    return Case(small.data, small.affine @ np.diag([2, 2, 2, 1]))


def wanted(vendor):
    return {name: place for place, (name, _) in enumerate(VENDORS[vendor], 1) if name in SEQUENCES}


def numbers(choice):
    return {modality: one.number for modality, one in choice.chosen.items()}


@pytest.mark.parametrize("lacking", LACKING)
@pytest.mark.parametrize("vendor", VENDORS)
def test_all_sequences_of_a_study(tmp_path, case, vendor, lacking):
    write_study(tmp_path, scanned(case, vendor, without=LACKING[lacking]), enhanced=True)
    series = series_in(tmp_path)
    choice = choose(series, read_series)
    assert numbers(choice) == wanted(vendor)
    for one in choice.chosen.values():
        guess = choice.guesses[one.key]
        assert guess.text and 0 < guess.confidence <= 1
    others = [one for one in series if one.number not in wanted(vendor).values()]
    named = lacking in ("complete", "no physics")
    for one in others:
        assert choice.left_out[one.key] or not named


@pytest.mark.parametrize("vendor", VENDORS)
def test_classic_studies_are_as_enhanced_ones(tmp_path, case, vendor):
    write_study(tmp_path, scanned(case, vendor, without=NAMES))
    assert numbers(choose(series_in(tmp_path))) == wanted(vendor)


def t1(number, case, **elements):
    data = np.rint(case.data[..., MODALITIES.index("t1")]).astype(np.int16)
    usual = {"RepetitionTime": 2000, "EchoTime": 3, "InversionTime": 900, "ScanningSequence": ["GR", "IR"], "MRAcquisitionType": "3D"}  # fmt: skip
    time = {"AcquisitionDate": "20260301", "AcquisitionTime": f"09{number:02d}00"}
    return Written(number, data, case.affine, usual | time | elements)


CONTRAST = {
    "by the agent": ([{}, {"ContrastBolusAgent": "Dotarem"}], "agent"),
    "agent of none": ([{"ContrastBolusAgent": "NONE"}, {"ContrastBolusAgent": "Dotarem"}], "agent"),
    "agent everywhere, by words": ([{"ContrastBolusAgent": "x", "SeriesDescription": "t1 nativ"}, {"ContrastBolusAgent": "x", "SeriesDescription": "t1 KM"}], "contrast_word"),
    "agent everywhere, by order": ([{"ContrastBolusAgent": "x"}, {"ContrastBolusAgent": "x"}], "same_kind_later"),
    "by order": ([{}, {}], "same_kind_later"),
    "by order of unlike ones": ([{"RepetitionTime": 8, "InversionTime": 450}, {}], "t1_later"),
    "by protocol": ([{}, {"ProtocolName": "mprage + gad"}], "contrast_word"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRAST)
def test_with_and_without_contrast_agent(tmp_path, case, name):
    (first, second), code = CONTRAST[name]
    write_study(tmp_path, [t1(1, case, **first), t1(2, case, **second)], enhanced=False)
    choice = choose(series_in(tmp_path))
    assert numbers(choice) == {"t1": 1, "t1ce": 2}
    guess = choice.guesses[choice.chosen["t1ce"].key]
    assert code in [one.code for one in guess.evidence] and guess.contrast is True


def test_two_reconstructions_of_one_acquisition_are_not_before_and_after(tmp_path, case):
    series = [t1(1, case), t1(2, case, AcquisitionTime="090100"), t1(9, case)]
    write_study(tmp_path / "three", series)
    assert numbers(choose(series_in(tmp_path / "three")))["t1ce"] == 9
    write_study(tmp_path / "two", series[:2])
    assert set(numbers(choose(series_in(tmp_path / "two")))) == {"t1"}


def test_a_perfusion_between_tells_when_the_agent_was_given(tmp_path, case):
    perfusion = moved(t1(2, case), ImageType=["ORIGINAL", "PRIMARY", "PERFUSION"])
    series = [t1(1, case, SequenceVariant="SP"), perfusion, t1(3, case, RepetitionTime=8)]
    write_study(tmp_path, series)
    choice = choose(series_in(tmp_path))
    assert numbers(choice) == {"t1": 1, "t1ce": 3}
    assert "after_perfusion" in [e.code for e in choice.guesses[choice.chosen["t1ce"].key].evidence]


def test_the_best_of_several_is_taken(tmp_path, case):
    coarse = case.data[:, :, ::3, 2], case.affine @ np.diag([1, 1, 3, 1])
    agent = {"ContrastBolusAgent": "x"}
    thick = replace(t1(4, case, **agent, MRAcquisitionType="2D"), data=coarse[0].astype(np.int16), affine=coarse[1])  # fmt: skip
    part = replace(t1(5, case, **agent), data=t1(5, case).data[:, :, :20])
    write_study(tmp_path, [t1(1, case), t1(2, case, **agent), thick, part])
    series = series_in(tmp_path)
    choice = choose(series)
    assert numbers(choice) == {"t1": 1, "t1ce": 2}
    (small,) = [one for one in series if one.number == 5]
    assert [reason.code for reason in choice.left_out[small.key]] == ["little_coverage"]
    assert coverage_mm(small) == pytest.approx(40)
    # Whoever wants it nevertheless is told what it looks like.
    assert choice.guesses[small.key].modality == "t1"


def test_physics_counts_more_than_a_wrong_description(tmp_path, case):
    series = t1(1, case, SeriesDescription="T2 tse")
    write_study(tmp_path, [series])
    choice = choose(series_in(tmp_path))
    assert numbers(choice) == {"t1": 1}
    assert "Its description says T2, though." in choice.guesses[choice.chosen["t1"].key].text


def test_derived_series_count_only_where_there_is_no_original(tmp_path, case):
    derived = ["DERIVED", "PRIMARY", "M", "ND"]
    fine = t1(2, case, ImageType=derived)
    coarse = replace(t1(1, case), data=t1(1, case).data[:, :, ::2], affine=case.affine @ np.diag([1, 1, 2, 1]))  # fmt: skip
    write_study(tmp_path / "both", [coarse, fine])
    series = series_in(tmp_path / "both")
    choice = choose(series)
    assert numbers(choice) == {"t1": 1}
    assert [reason.code for reason in choice.left_out[series[1].key]] == ["derived"]
    write_study(tmp_path / "one", [fine])
    assert numbers(choose(series_in(tmp_path / "one"))) == {"t1": 2}


def native_case(folder):
    """Return the native study: data and affine by sequence."""
    names = {"flair": "MRHR_FLAIR_AX", "t1": "T1_AX", "t1ce": "MRHR_T1_AX_POST_GAD", "t2": "MRHR_T2_AX"}  # fmt: skip
    found = {}
    for modality, name in names.items():
        image = nib.load(folder / "native" / "TCGA-FG-6692" / f"{name}.nii.gz")
        data, affine = to_canonical(np.asarray(image.dataobj, np.float32), image.affine)
        data, affine = turned(data, affine, ("L", "P", "S"))
        found[modality] = np.rint(data).astype(np.int16), affine
    return found


def labelled_case(folder):
    found = {}
    for modality in MODALITIES:
        image = nib.load(folder / f"{folder.name}_{modality}.nii.gz")
        found[modality] = np.asarray(image.dataobj).astype(np.int16), image.affine
    return found


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize("lacking", LACKING)
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("source", ["native", "BraTS2021_01478"])
def test_studies_made_of_real_scans(tmp_path, real_data, source, vendor, lacking):
    scans = native_case(real_data) if source == "native" else labelled_case(real_data / "packed" / source)  # fmt: skip
    series = [
        replace(one, data=scans[name][0], affine=scans[name][1])
        for one, (name, _) in zip(
            scanned(small_case()[0], vendor, without=LACKING[lacking]), VENDORS[vendor], strict=True
        )
        if name in SEQUENCES
    ]
    write_study(tmp_path, series, enhanced=True)
    assert numbers(choose(series_in(tmp_path), read_series)) == wanted(vendor)
