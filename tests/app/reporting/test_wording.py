from dataclasses import astuple, replace

import pytest

from app.analysis.features import Features, Margin, MidlineCrossing, Proportion, Proportions
from app.analysis.lesions import Location
from app.analysis.measurements import Lesions, Measurements
from app.analysis.rano import Rano
from app.analysis.record import Accuracy, Calibration, MaskInfo
from app.analysis.values import PlaneSlices, Slices, VolumesMl
from app.reporting import feature_words, wording
from app.reporting.feature_words import feature_rows
from model.warnings import NOTHING_MARKED, CaseWarning

RANO = Rano(39.29, 37.71, 1481.7, 97, (), (), measurable=True)
CORRECTED = MaskInfo(2, "corrected", 0, by_hand=True)
NONE = PlaneSlices(10, None)
FEATURES = Features(
    proportions=Proportions(
        Proportion(31.62, "6_to_33"), Proportion(0.0, "none"), Proportion(68.38, "68_to_95")
    ),
    focality="multifocal",
    foci=3,
    satellites=2,
    side="midline",
    crosses_midline=MidlineCrossing(enhancing=False, edema=True),
    margin=Margin("thick", 67.2),
)


def measurements(**fields) -> Measurements:
    volumes = VolumesMl(0.0, 0.0, 0.0, 0.0, 0.0)
    return Measurements(volumes, 1200.0, 0.001, Slices(NONE, NONE, NONE), **fields)


def test_diameters():
    assert wording.diameters(RANO) == "39.3 × 37.7 mm = 1482 mm²"
    assert wording.place(RANO) == " in axial slice 98."
    assert wording.place(replace(RANO, measurable=False)).endswith(wording.NOT_MEASURABLE)


def test_no_enhancing_voxels_are_no_finding():
    text = wording.diameters(None) + wording.place(None)
    assert text == "No enhancing voxels were marked."
    assert "no tumo" not in text.lower()


@pytest.mark.parametrize(
    ("side", "share", "text"),
    [
        ("left", 1.0, "Left"),
        ("right", 0.004, "Right"),
        ("right", 0.07, "Right (7 % left, 93 % right)"),
        ("both", 0.62, "Both sides (62 % left, 38 % right)"),
    ],
)
def test_side(side, share, text):
    location = Location(side, share, (-56.8, 12.2, 0.0))
    facts = wording.facts(measurements(location=location), brain_centre_mm=None)
    assert facts == [("Side", text)]


def test_a_tumour_astride_of_the_midline_is_called_so():
    found = measurements(location=Location("both", 0.48, (0.0, 0.0, 0.0)), features=FEATURES)
    assert wording.facts(found, None) == [("Side", "Midline (48 % left, 52 % right)")]


def test_features():
    rows = feature_rows(FEATURES)
    assert [(row.numbers, row.title, row.found) for row in rows] == [
        ("F5", "Proportion enhancing", "31.6 % (6 to 33 %)"),
        ("F6, F7", "Proportion core", "0.0 % (none)"),
        ("F14", "Proportion edema", "68.4 % (68 to 95 %)"),
        ("F9", "Foci", "3, multifocal"),
        ("F24", "Satellites", "2"),
        ("F11", "Enhancing margin", "Thick (67 % of it 3 mm or more)"),
        ("F23", "Enhancing crosses midline", "No"),
        ("F15", "Edema crosses midline", "Yes"),
    ]
    assert all(row.definition for row in rows)


def test_features_that_are_not_known():
    assert feature_rows(None) == []
    edema = replace(FEATURES, focality=None, foci=0, margin=None, crosses_midline=None)
    found = {row.title: row.found for row in feature_rows(edema)}
    assert found["Foci"] == "No core marked" and found["Enhancing margin"] == "Nothing enhances"
    assert "Edema crosses midline" not in found


@pytest.mark.parametrize(
    ("centre", "text"),
    [
        # BraTS: the origin of coordinates lies at a corner, so that the right has a negative x.
        (
            [-57.0, -131.0, 97.0],
            "31 mm right, 22 mm posterior, 10 mm superior of the brain's centre",
        ),
        ([-90.4, -108.8, 80.0], "2 mm left, 7 mm inferior of the brain's centre"),
        ([-88.0, -99.0, 87.0], "10 mm anterior of the brain's centre"),
        ([-88.3, -109.0, 87.4], "At the brain's centre"),
    ],
)
def test_centre_is_told_from_the_brains(centre, text):
    location = Location("right", 0.0, centre)
    facts = wording.facts(measurements(location=location), [-88.0, -109.0, 87.0])
    assert dict(facts)["Centre"] == text


def test_what_is_not_known_is_not_said():
    assert wording.facts(measurements(), None) == []
    facts = wording.facts(measurements(lesions=Lesions(3, 0)), None)
    assert facts == [("Lesions", "3 (0 enhancing)")]


def test_a_mask_by_hand_is_not_the_models():
    assert "corrected by hand (version 2)" in wording.origin(CORRECTED)
    assert "not read by a physician" in wording.origin(None)
    assert wording.limits(CORRECTED, None) == [*wording.limits(None, None), wording.NO_PROBABILITY]


def test_probabilities_are_called_calibrated_only_where_that_was_measured():
    for unknown in (None, Accuracy(7, {})):
        assert "; not calibrated." in wording.probability(unknown)
        assert wording.calibrated(unknown) == "not calibrated"
    measured = Accuracy(7, {}, Calibration(0.031, 0.26))
    assert "over 7 patients not trained on, 0.03 from" in wording.probability(measured)
    assert wording.probability(measured).endswith("more than 0.26.")
    assert "not in each" in wording.calibrated(measured)


def test_accuracy():
    assert wording.accuracy(None, []) == wording.NO_ACCURACY
    assert "over 7 patients that the scored network was not trained on;" in wording.accuracy(
        Accuracy(7, {}), []
    )
    assert "over patients that" in wording.accuracy(Accuracy(None, {}), [])
    assert "was not trained on, with all four sequences;" in wording.accuracy(
        Accuracy(7, {}), ["t1"]
    )


def test_the_message_is_no_warning_too():
    other = CaseWarning("resampled", "Another.")
    assert wording.other_warnings([NOTHING_MARKED, other]) == ["Another."]
    assert NOTHING_MARKED.text.startswith(wording.EMPTY_MESSAGE)


def test_time():
    assert wording.time("2026-11-24T23:30:59+00:00") == "2026-11-24 23:30 UTC"


def test_the_fonts_of_the_pdf_know_every_letter():
    accuracy = wording.accuracy(Accuracy(7, {}), ["t1"])
    for text in (
        *wording.limits(CORRECTED, Accuracy(7, {}, Calibration(0.03, 0.2))),
        wording.origin(CORRECTED),
        accuracy,
        wording.NOT_MEASURABLE,
        wording.diameters(RANO),
        feature_words.SOURCE,
        *(text for row in feature_rows(FEATURES) for text in astuple(row)),
    ):
        assert text.encode("latin-1")
