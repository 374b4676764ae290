"""The table of what preparation costs: a case whose motions are known, and the rows."""

import numpy as np
import pytest

from model.inference.segmenter import Segmenter
from model.phantom import make_case
from training.data.taken_apart import taken_apart
from training.reports.preparation_table import KINDS, TWIN, Measured, dice_when_known, tables
from training.scoring.scores import SHORT


@pytest.mark.slow
def test_a_case_taken_apart_is_put_together_by_its_known_motions():
    case, truth = make_case()
    apart = taken_apart(case, np.random.default_rng(3))
    found = dice_when_known(Segmenter.load(TWIN), case, apart, truth)
    assert set(found) == set(SHORT)
    # The edge of thick slices is all that is lost; a wrong motion would leave less than half.
    assert found["WT"] > 0.9


def test_rows_have_what_was_measured():
    def dice(value: float) -> dict[str, float]:
        return dict.fromkeys(SHORT, value)

    apart = Measured(dice(0.7), dice(0.8), dice(0.75), apart_mm=(0.5, 1.5), brain=0.9, seconds=7)
    failed = Measured(dice(0.0), dice(0.8), failed=True)
    rows = [[Measured(dice(0.9))] * 2, [apart, apart], [apart, failed]]
    text = tables(dict(zip(KINDS, rows, strict=True)), 1)
    assert f"| {KINDS[0]} | " + "0.900 | " * 5 + "0.900 |" in text
    assert "| the same, motions and brain given | " + "0.750 | " * 5 + "0.750 |" in text
    assert f"| {KINDS[2]} | " + "0.350 | " * 5 + "0.350 |" in text
    assert f"| {KINDS[2]} | 1.00 (1.50) | 0.900 (0.900) | 7 | 1 |" in text
