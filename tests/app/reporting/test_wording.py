import pytest

from app.reporting import wording

RANO = {"longest_mm": 39.29, "perpendicular_mm": 37.71, "product_mm2": 1481.7, "slice": 97}


def test_diameters():
    assert wording.diameters(RANO) == "39.3 × 37.7 mm = 1482 mm²"
    assert wording.place(RANO | {"measurable": True}) == " in axial slice 98."
    assert wording.place(RANO | {"measurable": False}).endswith(wording.NOT_MEASURABLE)


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
    location = {"side": side, "left_share": share, "centre_mm": [-56.8, 12.2, 0.0]}
    facts = wording.facts({"lesions": None, "location": location}, brain_centre_mm=None)
    assert facts == [("Side", text)]


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
    location = {"side": "right", "left_share": 0.0, "centre_mm": centre}
    facts = wording.facts({"lesions": None, "location": location}, [-88.0, -109.0, 87.0])
    assert dict(facts)["Centre"] == text


def test_what_is_not_known_is_not_said():
    assert wording.facts({"lesions": None, "location": None}, None) == []
    lesions = {"whole_tumor": 3, "enhancing": 0}
    facts = wording.facts({"lesions": lesions, "location": None}, None)
    assert facts == [("Lesions", "3 (0 enhancing)")]


def test_a_mask_by_hand_is_not_the_models():
    corrected = {"by_hand": True, "number": 2}
    assert "corrected by hand (version 2)" in wording.origin(corrected)
    assert "not read by a physician" in wording.origin(None)
    assert wording.limits(corrected) == [*wording.limits(None), wording.NO_PROBABILITY]


def test_accuracy():
    assert wording.accuracy(None, []) == wording.NO_ACCURACY
    assert "over 7 patients whom the network scored had not seen;" in wording.accuracy(
        {"patients": 7}, []
    )
    assert "over patients whom" in wording.accuracy({"patients": None}, [])
    assert "had not seen, with all four sequences;" in wording.accuracy({"patients": 7}, ["t1"])


def test_the_message_is_no_warning_too():
    report = {"message": "Nothing.", "warnings": ["Nothing. Look again.", "Another."]}
    assert wording.other_warnings(report) == ["Another."]
    assert wording.other_warnings(report | {"message": ""}) == report["warnings"]


def test_time():
    assert wording.time("2026-11-24T23:30:59+00:00") == "2026-11-24 23:30 UTC"


def test_the_fonts_of_the_pdf_know_every_letter():
    corrected = {"by_hand": True, "number": 2}
    accuracy = wording.accuracy({"patients": 7}, ["t1"])
    for text in (
        *wording.limits(corrected),
        wording.origin(corrected),
        accuracy,
        wording.NOT_MEASURABLE,
        wording.diameters(RANO),
    ):
        assert text.encode("latin-1")
