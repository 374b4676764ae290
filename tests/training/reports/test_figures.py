"""Figures of a run and of its scores."""

import pytest
from matplotlib import pyplot as plt

from training.reports import figures
from training.scoring.lesion_wise import LESION_REGIONS


def test_curves_of_a_run_and_figures_of_its_scores(run, scores, tmp_path, capsys):
    assert figures.main(["curves", str(run), "--out", str(tmp_path)]) == 0
    assert figures.main(["scores", str(scores), "--out", str(tmp_path)]) == 0
    drawn = {f"{run.name}_curves.png", "patients.png", "calibration.png"}
    assert {path.name for path in tmp_path.iterdir()} == drawn
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
    assert "calibration.png" in capsys.readouterr().out


@pytest.fixture
def axes(monkeypatch):
    """The axes of the last figure that would have been saved."""
    drawn = []
    monkeypatch.setattr(figures, "_save", lambda figure, path: drawn.append(figure.axes[0]))
    yield lambda: drawn[-1]
    plt.close("all")


def test_every_patient_is_a_dot_above_its_source(axes, tmp_path):
    dice = {"a": 0.5, "b": 0.7, "c": 0.9}
    cases = {
        name: {"regions": {short: {"dice": value} for short in LESION_REGIONS}}
        for name, value in dice.items()
    }
    groups = {"far": ["a", "b"], "near": ["c"]}
    figures.patients_by_source(cases, groups, tmp_path)
    lines = axes().get_lines()
    assert [list(line.get_ydata()) for line in lines] == [[0.5, 0.7]] * 3 + [[0.9]] * 3
    heights = [bar.get_height() for bar in axes().patches]
    assert heights == pytest.approx([0.6] * 3 + [0.9] * 3)
    assert [text.get_text() for text in axes().get_xticklabels()] == [
        "far\n2 patients",
        "near\n1 patients",
    ]


def test_calibration_is_drawn_where_there_are_voxels(axes, tmp_path):
    counts = [{"voxels": [0] * 20, "right": [0] * 20, "confidence": [0.0] * 20} for _ in range(3)]
    counts[1]["voxels"][18], counts[1]["right"][18] = 1000, 800
    counts[1]["confidence"][18] = 920.0
    figures.reliability({"a": {"calibration_by_label": counts}}, tmp_path)
    _, whole, core, edema, _ = axes().get_lines()
    for line in (whole, edema):
        assert list(line.get_xdata()) == [0.92] and list(line.get_ydata()) == [0.8]
        assert line.get_label().endswith("error 0.120")
    assert len(core.get_xdata()) == 0
