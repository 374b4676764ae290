"""Preparation of labelled cases, and the split of patients."""

import json

import numpy as np

from model.labels import REGIONS
from tests.phantoms import small_case
from training.data.prepared import load_cases, load_split
from training.prepare import group_same_patients, split_patients
from training.prepare import main as prepare


def test_cases_are_found_and_incomplete_ones_named(prepared):
    index = json.loads((prepared / "index.json").read_text())
    missing = {entry["case"]: entry["missing"] for entry in index["cases"]}
    assert len(missing) == 6 and missing.pop("BraTS2021_5") == ["t2"]
    assert not any(missing.values()) and not index["left_out"]
    split = load_split(prepared)
    assert split["partial"] == ["BraTS2021_5"]
    assert sorted(split["train"] + split["validation"] + split["test"]) == sorted(missing)


def test_labels_follow_their_scans(prepared):
    case = load_cases(prepared, ["BraTS2021_1"])[0]
    _, truth = small_case(0)
    for region in REGIONS:
        assert np.count_nonzero(case.labels == region.index) == np.count_nonzero(
            truth == region.index
        )


def test_visits_of_one_patient_stay_together():
    entries = [{"case": f"c{i}", "patient": f"p{i // 2}", "missing": []} for i in range(40)]
    split = split_patients(entries, 0.2, 0.2, seed=3)
    assert split.pop("partial") == []
    assert sorted(sum(split.values(), [])) == sorted(entry["case"] for entry in entries)
    parts = [{name[1:] and int(name[1:]) // 2 for name in names} for names in split.values()]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert [len(part) for part in parts] == [12, 4, 4]
    assert split != split_patients(entries, 0.2, 0.2, seed=4)
    # What lacks sequences changes nothing for the others, and is never of a patient held out.
    more = [
        {"case": f"m{i}", "patient": f"p{i}", "missing": ["t1", "t2"]} for i in (*range(20), 99)
    ]
    again = split_patients(entries + more, 0.2, 0.2, seed=3)
    kept = {name[1:] for name in again.pop("partial")}
    assert again == split
    assert kept == {str(int(name[1:]) // 2) for name in split["train"]} | {"99"}


def test_a_case_published_twice_is_one_patient():
    rng = np.random.default_rng(0)
    scan = rng.normal(size=500)
    prints = [scan, rng.normal(size=500), scan + rng.normal(0, 0.05, 500)]
    entries = [
        {"case": name, "patient": name, "fingerprint": values.tolist()}
        for name, values in zip("abc", prints, strict=True)
    ]
    group_same_patients(entries)
    assert [entry["patient"] for entry in entries] == ["a", "b", "a"]


def test_a_split_file_says_where_its_patients_are(labelled, tmp_path, capsys):
    table, out = tmp_path / "split.csv", tmp_path / "out"
    rows = [
        "patient,source,part,fold,other_names",
        "BraTS2021_1,ssa,test,,",
        "other,brats,added,1,",
    ]
    rows.append("BraTS-GLI-7,brats,train,0,BraTS2021_9")
    table.write_text("\n".join(rows))
    slices = tmp_path / "slices"
    slices.mkdir()
    image, label = np.full((60, 60, 4), 9, np.uint8), np.zeros((60, 60), np.uint8)
    image[:30] = 5
    # One of a test patient, one of a patient with another name, one of a patient unknown otherwise.
    for patient in ("BraTS2021_1", "BraTS2021_9", "other"):
        np.savez(slices / f"{patient}_z003.npz", image=image, label=label)
    arguments = [str(labelled), "--out", str(out), "--phantoms", "0", "--workers", "0"]
    arguments += ["--split", str(table), "--slices", str(slices), "--test", "0"]
    assert prepare([*arguments, "--validation", "0"]) == 0
    split = load_split(out)
    assert split["test"] == ["BraTS2021_1"] and split["test_slices"] == ["BraTS2021_1_slices"]
    assert split["slices"] == ["BraTS2021_9_slices", "other_slices"]
    assert {"BraTS-GLI-7-000", "BraTS-GLI-7-001", "BraTS2021_2"} <= set(split["train"])
    one, single = load_cases(out, ["BraTS2021_1", "BraTS2021_9_slices"])
    assert (one.source, one.isolated, single.source, single.isolated) == (
        "ssa",
        False,
        "brats",
        True,
    )
