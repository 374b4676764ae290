"""Scores by source in the model card."""

from training.data.split import Patient
from training.reports.source_tables import expected_text, lesions_table, sources_table
from training.scoring.lesion_wise import LESION_REGIONS
from training.scoring.scores import SHORT

PATIENTS = {
    "BraTS-SSA-00001": Patient("BraTS-SSA-00001", "ssa", "test", None),
    "one": Patient("one", "brats", "test", None),
}


def evaluation(version: str, dice: float) -> dict:
    case = {
        "regions": {short: {"dice": dice} for short in SHORT},
        "lesion_wise": {
            short: {"dice": dice, "lesions": 2, "missed": 0, "false": 1} for short in LESION_REGIONS
        },
    }
    cases = {"BraTS-SSA-00001-000": case, "one": case}
    return {"model": {"version": version, "checksum": "abcdefgh"}, "cases": cases}


def test_both_models_have_a_row_for_each_source_and_all_patients():
    result = evaluation("2", 0.75) | {"beside": [evaluation("1", 0.5)]}
    _, _, *rows = sources_table(result, PATIENTS).splitlines()
    cells = [row.strip("| ").split(" | ") for row in rows]
    assert [row[:3] for row in cells] == [
        ["BraTS", "1", "2 (abcdef)"],
        ["BraTS", "1", "1 (abcdef)"],
        ["sub-Saharan Africa", "1", "2 (abcdef)"],
        ["sub-Saharan Africa", "1", "1 (abcdef)"],
        ["all", "2", "2 (abcdef)"],
        ["all", "2", "1 (abcdef)"],
    ]
    assert cells[0][3] == "0.750 (0.75 to 0.75), 0.75" and len(cells[0]) == 3 + len(SHORT)


def test_lesions_are_counted_over_all_patients_of_a_source():
    _, _, *rows = lesions_table(evaluation("2", 0.75), PATIENTS).splitlines()
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
