"""The split of patients: the file that is shipped, and what it makes of prepared cases."""

import json
from collections import Counter
from pathlib import Path

import pytest

from model.card import read_card
from training.data.labelled import patient_of
from training.data.single_slices import SUFFIX
from training.data.split import SOURCE_TITLES, check_sides, part_of, read_patients
from training.networks.provenance import cases_trained_on, stages_by_network

TWIN = Path(__file__).parents[3] / "training/held_out"


@pytest.fixture(scope="module")
def patients():
    return {patient.name: patient for patient in read_patients().values()}


def test_at_least_twenty_patients_of_every_source_are_tested_on(patients):
    tested = Counter(p.source for p in patients.values() if p.part == "test")
    assert sum(tested.values()) >= 20
    assert set(tested) == set(SOURCE_TITLES) and tested["ssa"] >= 8 and tested["low_grade"] >= 3


def test_folds_hold_alike_many_of_each_source_and_part(patients):
    counts = Counter((p.part, p.source, p.fold) for p in patients.values() if p.part != "test")
    for part, source, _ in counts:
        sizes = [counts[part, source, fold] for fold in range(3)]
        assert max(sizes) - min(sizes) <= 1
    assert all((p.fold is None) == (p.part == "test") for p in patients.values())


def test_no_test_patient_was_trained_on_under_any_name():
    known = read_patients()
    card = read_card(TWIN)
    trained = cases_trained_on(stages_by_network(card.weights, card.training))
    names = {patient_of(name.removesuffix(SUFFIX)) for name in trained}
    sides = {known[name].part for name in names if name in known}
    assert "test" not in sides and "train" in sides


def test_names_of_one_patient_lead_to_one_row():
    known = read_patients()
    for names in (
        ("BraTS-SSA-00115", "BraTS-SSA-00121"),
        ("MSD_BRATS_001", "brats_2013_pat0001_1", "BraTS20_Training_130"),
        ("Brats18_CBICA_AQN_1", "BraTS20_Training_032"),
    ):
        assert len({known[name] for name in names}) == 1


def test_parts_of_cases(patients):
    tested = next(p for p in patients.values() if p.part == "test")
    trained = next(p for p in patients.values() if p.part == "train")
    whole, lacking = {"missing": []}, {"missing": ["t1"]}
    single = {"missing": [], "isolated": True}
    assert [part_of(entry, tested) for entry in (whole, lacking, single)] == [
        "test",
        "test",
        "test_slices",
    ]
    assert [part_of(entry, trained) for entry in (whole, lacking, single)] == [
        "train",
        "partial",
        "slices",
    ]


def test_a_patient_on_both_sides_is_refused():
    entries = [{"case": name, "patient": name[0]} for name in ("a1", "a2", "b1")]
    check_sides(entries, {"train": ["a1", "a2"], "test": ["b1"]})
    with pytest.raises(ValueError, match="a2 is tested on, but a1"):
        check_sides(entries, {"train": ["a1", "b1"], "test": [], "test_slices": ["a2"]})


def test_the_twin_names_only_test_patients_of_the_split():
    tested = json.loads((TWIN / "card.json").read_text())["training"]["split"]["test"]
    known = read_patients()
    assert tested and {known[patient_of(name)].part for name in tested} == {"test"}
