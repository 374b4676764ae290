"""The model card: what it says, and what it refuses to say."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from model.card import DEFAULT_DIR, read_card
from model.postprocess import Postprocessing
from model.preprocess import Preprocessing
from tests.training.runs import finished
from tests.training.small_networks import tiny_unet
from training import export
from training.reports import model_card
from training.reports.card_sentences import (
    averaged_text,
    post_text,
    refinement_text,
    size_text,
    supervised_text,
)
from training.reports.model_card import WIDTH, wrapped

ROOT = Path(__file__).parents[3]


def test_the_card_has_scores_of_patients_that_were_not_trained_on_alone(
    tiny, run, artefact, scores, tmp_path
):
    kept, text = tmp_path / "scores.json", tmp_path / "card.md"
    kept.write_text(scores.read_text())
    write = ["--model-dir", str(artefact), "--test", str(kept), "--out", str(text)]
    assert model_card.main([*write, "--modes", str(kept)]) == 0
    assert "of the shipped model" in " ".join(text.read_text().split())
    # Every place of the template was filled.
    assert "{" not in text.read_text()

    result = json.loads(kept.read_text())
    (name,) = json.loads((run / "split.json").read_text())["train"][:1]
    result["cases"][name] = next(iter(result["cases"].values()))
    kept.write_text(json.dumps(result))
    with pytest.raises(ValueError, match="the model was trained on"):
        model_card.main(write)


def test_what_a_card_lacks_is_told(tmp_path, capsys):
    absent, empty, out = tmp_path / "scores.json", tmp_path / "empty.json", tmp_path / "card.md"
    empty.write_text("{}")
    for scores, model in ((absent, []), (empty, ["--model-dir", str(tmp_path)])):
        assert model_card.main(["--test", str(scores), "--out", str(out), *model]) == 1
    told = capsys.readouterr().err
    assert str(absent) in told and "There is no model in" in told
    assert not out.exists()


def test_it_tells_how_many_networks_are_averaged(tiny, tmp_path):
    one = export.make_card([finished(tmp_path / "run")], Preprocessing())
    two = replace(one, networks=2)
    assert averaged_text(one) == "" and supervised_text(one) == ""
    assert "two networks," in averaged_text(two)
    count = tiny_unet(12).count_params()
    assert f"the model has {count:,}," in size_text(one)
    assert f"the model has {2 * count:,}, {2 * count * 4 / 1e6:.1f} MB" in size_text(two)


def test_it_tells_what_later_views_leave_out():
    card = read_card(DEFAULT_DIR)
    assert "The first network looks at axial slices of the whole brain." in refinement_text(card)
    assert "network 2 was trained" in supervised_text(card)
    everything = replace(card, inference=replace(card.inference, refinement_threshold=0.0))
    assert refinement_text(everything) == ""


def test_it_tells_the_steps_of_post_processing():
    plain = post_text(Postprocessing(min_component_ml=0.3))
    assert plain == "tumours under 0.3 mL are dropped"
    parameters = Postprocessing(
        min_component_ml=0.3,
        min_enhancing_ml=0.05,
        keep_probability=0.75,
        temperatures=(1.0, 3.0, 1.0, 0.7),
    )
    text = post_text(parameters)
    assert "under 0.05 mL become what is next likely, unless" in text and "at least 0.75" in text
    assert "1, 3, 1, 0.7 (background" in text


def test_the_kept_card_is_of_the_shipped_model():
    card, text = read_card(DEFAULT_DIR), (ROOT / "MODEL_CARD.md").read_text()
    assert text.startswith(f"# Model card: {card.name} {card.version}\n")
    assert card.checksum in text
    for short, scores in card.scores["regions"].items():
        written = float(re.search(rf"^\| {short} \| ([0-9.]+) \|", text, re.MULTILINE)[1])
        # Processors with bfloat16 and without differ in the last digit.
        assert written == pytest.approx(scores["dice"], abs=2e-3)


def test_paragraphs_and_lists_are_wrapped_and_tables_are_not():
    row = "| " + "cell " * 40 + "|"
    text = wrapped(f"{'word ' * 40}\n\n- {'item ' * 40}\n- short\n\n{row}\n")
    lines = text.splitlines()
    assert row in lines and lines[-1] == row and "- short" in lines
    assert all(len(line) <= WIDTH for line in lines if line != row)
