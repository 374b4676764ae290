import os
from threading import Thread

import pytest
import sqlalchemy as sa

from app.errors import StartupError
from app.store import cases
from app.store.models import db
from tests.app.web.hazards import four, send


def test_write_ahead_log_and_overwriting_of_what_is_deleted(app):
    with app.app_context():
        for pragma, wanted in (("journal_mode", "wal"), ("secure_delete", 1)):
            assert db.session.scalar(sa.text(f"PRAGMA {pragma}")) == wanted


@pytest.mark.parametrize("damage", ["no database", "flipped bytes"])
def test_a_damaged_database_is_refused_at_start(make_app, client, damage):
    app = make_app()
    for _ in range(20):
        send(app.test_client(), four())
    path = app.config["SETTINGS"].data_dir / "cases.sqlite"
    with app.app_context():
        db.session.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
        db.engine.dispose()
    content = bytearray(path.read_bytes())
    size = len(content)
    content[0 if damage == "no database" else 4096 : size] = b"\x5a" * (
        size if damage == "no database" else size - 4096
    )
    path.write_bytes(content)
    for extra in ("-wal", "-shm"):
        path.with_name(path.name + extra).unlink(missing_ok=True)
    with pytest.raises(StartupError, match=r"is damaged.*\nRestore it from a backup"):
        make_app()


def test_a_data_folder_that_cannot_be_made_is_refused_at_start(make_app, tmp_path):
    (tmp_path / "data").touch()
    with pytest.raises(StartupError, match=r"BTS_DATA_DIR=.*/data cannot be used: File exists"):
        make_app()


def test_the_data_folder_is_private(app):
    data_dir = app.config["SETTINGS"].data_dir
    for folder in (data_dir, data_dir / "cases", data_dir / "staging"):
        assert folder.stat().st_mode & 0o077 == 0


def test_a_case_may_be_deleted_by_two_at_once(app, client, monkeypatch, assert_nothing_kept):
    url = send(client, four()).json["url"]
    find, statuses = cases.find_own, []

    def find_while_another_deletes(case_id):
        case = find(case_id)
        monkeypatch.setattr(cases, "find_own", find)
        other = Thread(target=lambda: statuses.append(app.test_client().delete(url).status_code))
        other.start()
        other.join()
        return case

    monkeypatch.setattr(cases, "find_own", find_while_another_deletes)
    assert client.delete(url).status_code == 204
    assert statuses == [204]
    assert_nothing_kept(app)


def test_the_database_is_private_in_an_open_folder(tmp_path, make_app):
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        # Left by an earlier version.
        (data_dir / "cases.sqlite").touch()
        app = make_app()
        with app.app_context():
            db.session.execute(sa.text("SELECT count(*) FROM cases"))
            files = list(data_dir.glob("cases.sqlite*"))
            assert {file.name for file in files} > {"cases.sqlite", "cases.sqlite-wal"}
            assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    finally:
        os.umask(before)
