"""Hostile uploads: each is refused by its code, quickly, in little memory, and leaves nothing."""

import json
import subprocess
import sys

import pytest

from tests.app.web.hazards import HAZARDS, four, scan, send

SECONDS = 2.0
# Half a gigabyte that has to be read to its end: under two seconds, too, where nothing else runs.
READ_TO_THE_END = {"constant volumes of the most voxels": 3.0}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, dict]:
    """What became of each hazard, in a process whose memory is limited."""
    command = [
        sys.executable,
        "-m",
        "tests.app.web.hazards",
        str(tmp_path_factory.mktemp("hazards")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return {item["hazard"]: item for item in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", HAZARDS)
def test_refused_before_anything_is_kept(outcomes, name):
    outcome, error = outcomes[name], outcomes[name]["error"]
    assert error["code"] == HAZARDS[name][1]
    assert 400 <= outcome["status"] < 500
    assert outcome["kept"] == []
    assert outcome["seconds"] < READ_TO_THE_END.get(name, SECONDS)
    assert error["message"].endswith(".") and error["hint"].endswith(".")
    if sum(bool(file) for _, file, _ in HAZARDS[name][0]) == 4 or "zip_" in error["code"]:
        assert error["file"] in [file for _, file, _ in HAZARDS[name][0]]


NAMES = {
    "climbing": ("../../../etc/p_t1.nii.gz", "p_t1.nii.gz"),
    "NUL": ("p\0_t1.nii.gz", "p_t1.nii.gz"),
    "right to left": ("p\u202egz.iin_t1.nii.gz", "pgz.iin_t1.nii.gz"),
    "4,000 characters": ("n" * 4000 + "_t1.nii.gz", None),
    "markup": ("<script>_t1.nii.gz", "<script>_t1.nii.gz"),
    "not ASCII": ("病人_t1.nii.gz", "病人_t1.nii.gz"),
}


@pytest.mark.parametrize(("name", "shown"), NAMES.values(), ids=NAMES)
def test_names_are_cleaned_and_never_become_paths(app, client, name, shown):
    parts = [part for part in four() if part[0] != "t1"]
    answer = send(client, [*parts, ("t1", name, scan(7))])
    assert answer.status_code == 202, answer.text
    kept = client.get(answer.json["url"]).json["modalities"]["t1"]
    assert len(kept) <= 120 and kept.isprintable()
    assert shown in (None, kept)
    data_dir = app.config["SETTINGS"].data_dir
    scans = data_dir / "cases" / answer.json["id"] / "scans"
    assert {path.name for path in scans.iterdir()} == {"flair", "t1", "t1ce", "t2"}
    assert {path.name for path in data_dir.parent.iterdir()} == {data_dir.name}
