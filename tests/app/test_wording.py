import pytest

from app import wording

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
    facts = dict(wording.facts({"lesions": None, "location": location}))
    assert facts == {"Side": text, "Centre": "-57, 12, 0 mm (RAS)"}


def test_what_is_not_known_is_not_said():
    assert wording.facts({"lesions": None, "location": None}) == []
    lesions = {"whole_tumor": 3, "enhancing": 0}
    assert wording.facts({"lesions": lesions, "location": None}) == [("Lesions", "3 (0 enhancing)")]


def test_the_fonts_of_the_pdf_know_every_letter():
    for text in (*wording.NOTES, wording.NOT_MEASURABLE, wording.diameters(RANO)):
        assert text.encode("latin-1")
