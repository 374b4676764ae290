"""The tables of the model card."""

import pytest

from tests.training.told import OTHER, PATIENTS, both, shipped
from training.networks.provenance import stages_by_network
from training.reports import model_card
from training.reports.card_tables import comparison_table, region_table, stage_cells, stages_table
from training.reports.experiments_page import SHOWN, compared
from training.scoring.results import RESULTS
from training.scoring.scores import SHORT


def test_stages_are_listed_and_networks_that_are_alike_share_rows():
    _, _, first, *_ = stages_table(shipped()).splitlines()
    assert first == "| 1 | 1 | 0 | 1 | 6 steps of 4 | 8 x 9 | 0.1 | a |"
    networks = stages_by_network(["c", "d"], both(PATIENTS, OTHER))
    _, _, *rows = [line.strip("| ").split(" | ") for line in stages_table(networks).splitlines()]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert [row[-1] for row in rows] == ["a, a", "b, b", "c, d"]
    # Of the twin's second network, another stage has other patients.
    longer = [
        [*networks[0]],
        [*networks[1][:2], {**networks[1][2], "split": {"train": ["x", "y"]}}],
    ]
    assert len(stages_table(longer).splitlines()) == 2 + 4


def test_single_slices_are_counted_apart():
    (first, *_), *_ = shipped()
    split = {"train": ["one", "two_slices", "three_slices", "phantom_1"]}
    assert stage_cells(first | {"split": split})[:3] == ("1", "2", "1")


def test_the_card_tells_by_how_much_one_network_is_better():
    found = model_card.compared(["simple-unet", "base"], RESULTS)
    lines = [line.split(" | ") for line in comparison_table(found).splitlines() if "|" in line]
    _, _, simple, mobile, difference, _ = lines
    changes, errors = compared(found[1][1], found[0][1])
    edema = SHOWN.index("ED")
    assert difference[2] == f"{changes[edema]:+.3f} ± {errors[edema]:.3f}"
    assert float(mobile[2]) - float(simple[2]) == pytest.approx(changes[edema], abs=1e-3)


def test_a_comparison_that_was_not_measured_is_left_out():
    assert model_card.compared(["simple-unet", "absent"], RESULTS)[1:] == []
    assert comparison_table([]) == "Not measured for this version."


def test_lesion_wise_scores_are_beside_those_of_their_regions():
    scores = {"dice": 0.5, "hd95_mm": 1.0, "volume_error_ml": 0.0, "precision": 1.0, "recall": 1.0}
    lesions = {"dice": 0.25, "hd95_mm": 187.0, "lesions": 2, "missed": 1, "false": 0}
    mean = {"regions": dict.fromkeys(SHORT, scores), "lesion_wise": {"TC": lesions}}
    _, _, *rows = region_table(mean).splitlines()
    assert "| 0.250 | 187.0 | 2 | 1 | 0 |" in rows[list(SHORT).index("TC")]
    assert rows[0].endswith("| 1.000 |  |  |  |  |  |")
