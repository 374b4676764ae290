"""Series are told apart, and what is none of the four sequences is left out with its reason."""

import numpy as np
import pytest

from model.io.dicom.pixels import read_series
from model.io.dicom.reasons import TEXTS, Reason
from tests.support.dicom_reading import series_in
from tests.support.dicom_study import Written, classic_files, enhanced_file, write_study

DATA = np.random.default_rng(0).integers(0, 1000, (9, 11, 7)).astype(np.int16)
AFFINE = np.diag([-1.0, -1.0, 3.0, 1.0])


def save(folder, datasets):
    folder.mkdir(parents=True, exist_ok=True)
    for dataset in datasets:
        dataset.save_as(folder / str(len(list(folder.iterdir()))), enforce_file_format=True)


def volumes(series, key, values):
    """Return files of one series that has a volume for each value of an element."""
    files = []
    for repeat, value in enumerate(values):
        one = Written(1, DATA + repeat, AFFINE, {"EchoTime": 90, key: value}, "1.2.3")
        for place, dataset in enumerate(classic_files(one)):
            dataset.SOPInstanceUID = f"1.2.3.{repeat}.{place}"
            files.append(dataset)
    return files


@pytest.mark.parametrize(
    ("key", "values"),
    [("EchoTime", [12, 90]), ("AcquisitionNumber", [1, 2]), ("TemporalPositionIdentifier", [1, 2])],
)
def test_a_series_of_two_volumes_is_two(tmp_path, key, values):
    save(tmp_path, volumes(1, key, values))
    found = series_in(tmp_path)
    assert [one.problems for one in found] == [(), ()] and len({one.key for one in found}) == 2
    first, second = sorted(read_series(one).data.sum() for one in found)
    assert second - first == DATA.size


def test_numbers_of_acquisitions_part_nothing_where_no_slice_is_double(tmp_path):
    files = classic_files(Written(1, DATA, AFFINE))
    for place, dataset in enumerate(files):
        dataset.AcquisitionNumber = place
        dataset.EchoTime = 90 + 0.04 * place
    save(tmp_path, files)
    (series,) = series_in(tmp_path)
    assert series.problems == () and series.slices == 7


def test_echoes_of_an_enhanced_file_are_two(tmp_path):
    files = [enhanced_file(Written(1, DATA + k, AFFINE, {"EchoTime": te}, "1.2.3")) for k, te in enumerate((12, 90))]  # fmt: skip
    one = files[0]
    for dataset in files:
        echo = dataset.SharedFunctionalGroupsSequence[0].MREchoSequence
        for item in dataset.PerFrameFunctionalGroupsSequence:
            item.MREchoSequence = echo
    del one.SharedFunctionalGroupsSequence[0].MREchoSequence
    one.PerFrameFunctionalGroupsSequence.extend(files[1].PerFrameFunctionalGroupsSequence)
    one.NumberOfFrames = 14
    one.PixelData += files[1].PixelData
    save(tmp_path, [one])
    found = series_in(tmp_path)
    assert [one.scan.te_ms for one in found] == [12, 90]
    np.testing.assert_array_equal(read_series(found[1]).data, DATA + 1)


LEFT_OUT = {
    "not_mr": {"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"},
    "secondary_capture": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
    "spectroscopy": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4.2"},
    "localiser": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    "derived": {"ImageType": ["DERIVED", "SECONDARY", "COMBINED"]},
    "projection": {"ImageType": ["DERIVED", "SECONDARY", "MPR"]},
    "phase": {"ImageType": ["ORIGINAL", "PRIMARY", "P"]},
    "diffusion": {"DiffusionBValue": 1000.0},
    "perfusion": {"ImageType": ["DERIVED", "PRIMARY", "PERFUSION"]},
    "functional": {"ImageType": ["ORIGINAL", "PRIMARY", "FMRI"]},
    "angiography": {"AngioFlag": "Y"},
    "susceptibility": {"ImageType": ["ORIGINAL", "PRIMARY", "M", "SWI"]},
    "echo_planar": {"ScanningSequence": "EP"},
    "map": {"ImageType": ["DERIVED", "PRIMARY", "T1 MAP"]},
    "subtraction": {"ImageType": ["DERIVED", "PRIMARY", "SUBTRACTION"]},
    "magnetisation_transfer": {"SequenceVariant": "MTC"},
}


@pytest.mark.parametrize("code", LEFT_OUT)
def test_other_images_are_left_out_with_a_reason(tmp_path, code):
    write_study(tmp_path, [Written(1, DATA, AFFINE, LEFT_OUT[code])])
    (series,) = series_in(tmp_path)
    assert [reason.code for reason in series.left_out] == [code]
    assert not series.usable and series.left_out[0].text


def test_a_report_is_no_image(tmp_path):
    (dataset, *_) = classic_files(Written(1, DATA, AFFINE, {"Modality": "SR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33"}))  # fmt: skip
    del dataset.PixelData
    save(tmp_path, [dataset])
    (series,) = series_in(tmp_path)
    assert [reason.code for reason in series.left_out] == ["no_image"]


def test_planes_of_a_localiser(tmp_path):
    planes = [AFFINE, AFFINE[:, [0, 2, 1, 3]], AFFINE[:, [1, 2, 0, 3]]]
    for place, affine in enumerate(planes):
        for dataset in classic_files(Written(1, DATA, affine, uid="1.2.3")):
            dataset.SOPInstanceUID += f".{place}"
            save(tmp_path, [dataset])
    found = series_in(tmp_path)
    assert len(found) == 3
    assert all([reason.code for reason in one.left_out] == ["localiser"] for one in found)


def test_three_volumes_are_a_time_series(tmp_path):
    save(tmp_path, volumes(1, "AcquisitionNumber", [1, 2, 3]))
    assert {one.left_out for one in series_in(tmp_path)} == {(Reason("time_series", (3,)),)}


def test_b_values_of_one_series_are_diffusion(tmp_path):
    save(tmp_path, volumes(1, "DiffusionBValue", [0.0, 1000.0]))
    assert {one.left_out[0].code for one in series_in(tmp_path)} == {"diffusion"}


def test_every_sentence_can_be_made():
    for code, text in TEXTS.items():
        assert Reason(code, (1.0, 2.0, 3.0, 4.0)).text or text.count("{")
