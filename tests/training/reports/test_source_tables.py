"""Scores by source in the model card."""

from training.data.split import Patient
from training.reports.source_tables import (
    earlier_text,
    expected_text,
    lesions_table,
    patients_table,
    sources_table,
)
from training.scoring.lesion_wise import LESION_REGIONS
from training.scoring.scores import SHORT

PATIENTS = {
    "BraTS-SSA-00001": Patient("BraTS-SSA-00001", "ssa", "test", None),
    "one": Patient("one", "brats", "test", None),
}


def evaluation(dice: float) -> dict:
    case = {
        "regions": {short: {"dice": dice} for short in SHORT},
        "lesion_wise": {
            short: {"dice": dice, "lesions": 2, "missed": 0, "false": 1} for short in LESION_REGIONS
        },
    }
    cases = {"BraTS-SSA-00001-000": case, "one": case}
    return {"model": {"version": "1", "weights": ["0123456789abcdef"]}, "cases": cases}


def test_both_models_have_a_row_for_each_source_and_all_patients():
    result = evaluation(0.75) | {"beside": [evaluation(0.5)]}
    _, _, *rows = sources_table(result, PATIENTS).splitlines()
    cells = [row.strip("| ").split(" | ") for row in rows]
    assert [row[:3] for row in cells] == [
        ["BraTS", "1", "this"],
        ["BraTS", "1", "earlier"],
        ["sub-Saharan Africa", "1", "this"],
        ["sub-Saharan Africa", "1", "earlier"],
        ["all", "2", "this"],
        ["all", "2", "earlier"],
    ]
    assert "version 1 with the weights 0123456789ab," in earlier_text(result)
    assert earlier_text(evaluation(0.75)) == ""
    assert cells[0][3] == "0.750 (0.75 to 0.75), 0.75" and len(cells[0]) == 3 + len(SHORT)


def test_patients_of_each_part_are_counted_once_whatever_their_names():
    other_name = {"also-one": PATIENTS["one"]}
    _, _, *rows = patients_table(PATIENTS | other_name).splitlines()
    assert rows == [
        "| BraTS | 0 | 0 | 0 | 1 |",
        "| BraTS, low grade | 0 | 0 | 0 | 0 |",
        "| sub-Saharan Africa | 0 | 0 | 0 | 1 |",
    ]


def test_lesions_are_counted_over_all_patients_of_a_source():
    _, _, *rows = lesions_table(evaluation(0.75), PATIENTS).splitlines()
    assert rows[-1].endswith("| 4/4/4 | 0/0/0 | 2/2/2 |")


def test_it_tells_how_well_the_model_knows_its_worst_cases():
    case = {"regions": {short: {"dice": 0.5} for short in SHORT}}
    case |= {"expected_dice": {}, "look_closely": True}
    text = expected_text([case])
    assert text.startswith("It warns of 1 of the 1 patients, 1 of the 1 with the lowest")
    cases = [
        case
        | {"expected_dice": {"ET": dice}, "regions": {short: {"dice": dice} for short in SHORT}}
        for dice in (0.3, 0.9, 0.6)
    ]
    assert "true Dice is 1.00 in ET. It warns of 3 of the 3" in expected_text(cases)
