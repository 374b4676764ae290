"""A data folder that version 0.6.0 made is opened, shown and gone on with.

`version_0_6.tar.gz` holds two synthetic cases: one with a corrected mask, one without T1 whose mask
was corrected and restored. `answers.json` is what that version answered.
"""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from app.jobs.queue_runner import queue_runner
from app.store.migrations.versions import v3_records
from app.store.models import StoredCase, db
from model.card import Provenance, Views
from tests.app.corrections import file_of, image_of

ARCHIVE = Path(__file__).with_name("version_0_6.tar.gz")


@pytest.fixture
def answers(tmp_path) -> dict:
    """What version 0.6.0 answered, by address; its data folder lies where `make_app` opens it."""
    with tarfile.open(ARCHIVE) as archive:
        # An argument of that name came with Python 3.11.4 only.
        archive.extraction_filter = lambda member, path: member
        archive.extractall(tmp_path)
    return json.loads((tmp_path / "answers.json").read_text())


def kept(new, old):
    """Return those fields of an answer, and of objects in it, that the earlier version had, too."""
    if isinstance(old, dict):
        return {key: kept(new[key], value) for key, value in old.items()}
    return new


def test_every_answer_is_as_it_was(answers, make_app):
    client = make_app().test_client()
    for url, old in answers.items():
        new = client.get(url).json
        assert kept(new, old) == old
    # And once more with a database that is up to date.
    assert make_app().test_client().get(url).json == new


def test_records_have_fields(answers, make_app):
    app = make_app()
    with app.app_context():
        found = {case.id: case for case in db.session.query(StoredCase)}
        for case in found.values():
            made = case.record.provenance
            assert (made.engine, made.precision, made.networks) == ("openvino", "f32", 2)
            assert made.views == Views(("axial", "coronal", "sagittal"), 2)
        codes = {w.code for case in found.values() for w in case.record.warnings}
        assert codes == {"missing_sequence"}


def test_masks_pages_and_reports_are_there(answers, make_app):
    client = make_app().test_client()
    for url in (url for url in answers if not url.endswith(".json")):
        for page in (f"/cases/{url.rpartition('/')[2]}", f"/cases/{url.rpartition('/')[2]}/report"):
            assert client.get(page).status_code == 200
        for name in ("segmentation.nii.gz", "report.csv", "report.pdf", "report.zip"):
            assert client.get(f"{url}/{name}").status_code == 200
        for mask in client.get(f"{url}/masks").json["masks"]:
            assert client.get(mask["url"]).status_code == 200
        assert client.get(f"{url}/overlay/axial/30.png").mimetype == "image/png"
    assert client.get("/").status_code == 200


def test_it_is_corrected_and_added_to(answers, make_app, parts):
    app = make_app()
    client, url = app.test_client(), next(iter(answers))
    mask = image_of(client.get(f"{url}/masks/0.nii.gz").data)
    values = np.asarray(mask.dataobj).copy()
    values[30:34, 30:34, 30:34] = 2
    made = client.post(f"{url}/masks", data={"mask": file_of(values, mask.affine)})
    assert (made.status_code, made.json["number"]) == (201, 2)
    new = client.post("/api/cases", data=parts).json["url"]
    with app.app_context():
        assert queue_runner(app).run_next()
    assert client.get(new).json["state"] == "done"


@pytest.mark.parametrize(
    ("networks", "views"),
    [
        (1, Views(("axial",))),
        (2, Views(("axial", "coronal", "sagittal"), 2)),
        (4, Views(("axial", "coronal"), 3, mirrored=True)),
        (7, Views(("sagittal",), 5)),
    ],
)
def test_sentences_of_the_earlier_version_are_taken_apart(networks, views):
    made = Provenance("openvino", "CPU: A, B Processor", "bf16", networks, views)
    fields = v3_records.provenance("openvino", made.text)
    fields["views"]["planes"] = tuple(fields["views"]["planes"])
    assert Provenance(**fields | {"views": Views(**fields["views"])}) == made


def test_warnings_of_the_earlier_version_get_codes():
    texts = ["The model marked no voxels. This is no statement about the patient.", "Else."]
    codes = [warning["code"] for warning in v3_records.warnings(texts)]
    assert codes == ["nothing_marked", "unclassified"]
