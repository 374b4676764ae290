"""Deletions that can be undone for a minute: afterwards nothing is left, whatever happens in between."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.jobs.polling_thread import PollingThread
from app.store import removal
from app.store.models import db
from tests.app.jobs.test_crashes import wait_until
from tests.app.rows import change, row
from tests.app.test_privacy import MARKER, everything_in, marked_case, marked_upload
from tests.app.web.hazards import four, send

__all__ = ["marked_case", "marked_upload"]


def hide(client, seconds_ago: float, app) -> str:
    """Delete a new case as if it had been so long ago; return its id."""
    case_id = send(client, four()).json["id"]
    assert client.delete(f"/api/cases/{case_id}?undo=1").status_code == 200
    with app.app_context():
        change(case_id, deleted_at=datetime.now(UTC) - timedelta(seconds=seconds_ago))
    return case_id


def test_after_its_minute_nothing_is_left(app, client, marked_case):
    data_dir = app.config["SETTINGS"].data_dir
    client.patch(marked_case, json={"note": MARKER})
    client.delete(f"{marked_case}?undo=1")
    assert MARKER.encode() in everything_in(data_dir)
    with app.app_context():
        change(marked_case.rsplit("/", 1)[1], deleted_at=datetime.now(UTC) - removal.UNDO)
        removal.remove_hidden()
    assert MARKER.encode() not in everything_in(data_dir)


def test_a_server_that_starts_deletes_what_is_due(make_app, monkeypatch):
    app = make_app()
    due, waiting = hide(app.test_client(), 61, app), hide(app.test_client(), 5, app)
    later = make_app()
    thread: PollingThread = later.extensions["removals"]
    thread.start()
    try:
        folders = app.config["SETTINGS"].data_dir / "cases"
        wait_until(lambda: not (folders / due).exists())
        assert (folders / waiting).exists()
    finally:
        thread.stop()
    assert later.test_client().post(f"/api/cases/{waiting}/restore").status_code == 200


def test_a_clock_that_was_put_back_keeps_nothing_for_long(app, client, assert_nothing_kept):
    hide(client, -3600, app)
    with app.app_context():
        assert removal.remove_hidden() == 1
    assert_nothing_kept(app)


def test_a_case_that_is_restored_at_that_moment_stays(app, client, monkeypatch):
    case_id = hide(client, 61, app)
    change_hidden = removal._change_hidden

    def restored_before(*args, **values):
        change(case_id, deleted_at=None)
        return change_hidden(*args, **values)

    monkeypatch.setattr(removal, "_change_hidden", restored_before)
    with app.app_context():
        removal.remove_hidden()
        assert row(case_id) is not None
    assert client.get(f"/api/cases/{case_id}").status_code == 200


@pytest.mark.parametrize("page", [False, True])
def test_a_database_without_room_deletes_at_once(app, client, page, assert_nothing_kept):
    """Nothing is promised that cannot be written down."""
    case_id = send(client, four()).json["id"]
    with app.app_context():
        full = sa.exc.OperationalError("", {}, None)

        def no_room(*_, **__):
            raise full

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(removal, "_change_hidden", no_room)
        patch.setattr(removal, "is_disk_full", lambda error: error is full)
        if page:
            assert client.post(f"/cases/{case_id}/delete").status_code == 303
        else:
            assert client.delete(f"/api/cases/{case_id}?undo=1").json == {"undo_until": None}
    with app.app_context():
        assert db.session.get(removal.StoredCase, case_id) is None
    assert_nothing_kept(app)
