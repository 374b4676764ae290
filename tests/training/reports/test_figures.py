"""Figures of a run and of its scores."""

from training.reports import figures


def test_curves_of_a_run_and_bars_of_its_scores(run, scores, tmp_path, capsys):
    assert figures.main(["curves", str(run), "--out", str(tmp_path)]) == 0
    assert figures.main(["scores", str(scores), "--out", str(tmp_path)]) == 0
    drawn = {f"{run.name}_curves.png", "patients.png", "calibration.png"}
    assert {path.name for path in tmp_path.iterdir()} == drawn
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
    assert "calibration.png" in capsys.readouterr().out
