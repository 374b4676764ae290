"""Lesion-wise scores on volumes whose answers are known."""

import numpy as np
import pytest

from training.scoring.lesion_wise import score_lesions
from training.scoring.scores import HD95_MISSING_MM

UNIT = np.ones(3)


def blocks(*starts: int, edge: int = 6) -> np.ndarray:
    volume = np.zeros((60, 20, 20), bool)
    for start in starts:
        volume[start : start + edge, 5 : 5 + edge, 5 : 5 + edge] = True
    return volume


def test_a_missed_lesion_counts_as_much_as_a_found_one():
    scores = score_lesions(blocks(2, 30), blocks(2), UNIT)
    assert scores["dice"] == 0.5 and scores["hd95_mm"] == HD95_MISSING_MM / 2
    assert (scores["lesions"], scores["missed"], scores["false"]) == (2, 1, 0)


def test_a_false_lesion_counts_too():
    scores = score_lesions(blocks(2), blocks(2, 30, 45), UNIT)
    assert scores["dice"] == pytest.approx(1 / 3) and scores["false"] == 2


def test_parts_close_to_each_other_are_one_lesion():
    # Four voxels apart: the dilations by three meet.
    assert score_lesions(blocks(2, 12), blocks(2, 12), UNIT)["lesions"] == 1
    assert score_lesions(blocks(2, 20), blocks(2, 20), UNIT)["lesions"] == 2


def test_tiny_true_lesions_do_not_count_but_excuse_what_finds_them():
    tiny = blocks(2) | blocks(40, edge=3)
    assert score_lesions(tiny, blocks(2), UNIT)["dice"] == 1
    assert score_lesions(tiny, tiny, UNIT)["false"] == 0


def test_empty_masks():
    empty = blocks()
    assert score_lesions(empty, empty, UNIT)["dice"] == 1
    assert score_lesions(empty, blocks(2), UNIT)["dice"] == 0
    assert score_lesions(blocks(2), empty, UNIT)["missed"] == 1
