"""Files that are saved under the case's name, in whatever script that is."""

import pytest
from werkzeug.http import parse_options_header

from app.store.models import StoredCase, db


@pytest.mark.parametrize("name", ["Иванов 患者", "محمد", "Ünï", "plain"])
def test_names_of_any_script_reach_the_browser(app, client, url, done, name):
    with app.app_context():
        db.session.get_one(StoredCase, done).name = name
        db.session.commit()
    stem = name.replace(" ", "_")
    for path, ending in (
        ("report.csv", "_report.csv"),
        ("report.pdf", "_report.pdf"),
        ("report.zip", "_results.zip"),
        ("confidence.nii.gz", "_confidence.nii.gz"),
        ("volumes/flair.nii.gz", "_flair.nii.gz"),
        ("segmentation.nii.gz", "_seg.nii.gz"),
        ("masks/0.nii.gz", "_seg_model.nii.gz"),
    ):
        response = client.get(f"{url}/{path}")
        assert response.status_code == 200
        header = response.headers["Content-Disposition"]
        # gunicorn sends no answer at all whose headers hold anything else.
        assert header.isascii()
        assert parse_options_header(header) == ("attachment", {"filename": stem + ending})
