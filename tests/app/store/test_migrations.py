import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.errors import StartupError
from app.store import migrations
from app.store.migrations.versions import v1_tables, v8_time_points
from app.store.models import db
from tests import services
from tests.app.jobs.test_crashes import wait_until
from tests.app.serving import ROOT

CASE_ID = "0123456789abcdef0123456789abcdef"
# The only table of version 0.1.0.
FIRST = """
CREATE TABLE cases (
    id VARCHAR(32) NOT NULL, name VARCHAR(200) NOT NULL, state VARCHAR(16) NOT NULL,
    stage VARCHAR(32) NOT NULL, progress FLOAT NOT NULL, attempts INTEGER NOT NULL,
    created_at DATETIME NOT NULL, started_at DATETIME, finished_at DATETIME,
    modalities JSON NOT NULL, error JSON, report JSON, PRIMARY KEY (id)
);
CREATE INDEX ix_cases_state ON cases (state);
CREATE INDEX ix_cases_created_at ON cases (created_at);
"""
ROW = f"""
INSERT INTO cases (id, name, state, stage, progress, attempts, created_at, modalities) VALUES
('{CASE_ID}', 'Old case', 'queued', 'queued', 0, 0, '2025-01-02 03:04:05.678901', '{{"t1": "a.nii"}}')
"""


def differences(engine) -> list:
    """Return how a database differs from the models."""
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), db.metadata)


def test_models_and_migrations_agree(app):
    with app.app_context():
        assert differences(db.engine) == []


def test_the_newest_version_is_known():
    scripts = ScriptDirectory(migrations.__path__[0])
    assert scripts.get_heads() == [migrations.HEAD]


@pytest.mark.parametrize("version", ["0.1.0", "last without migrations"])
def test_databases_from_before_migrations_are_taken_over(make_app, tmp_path, version):
    path = tmp_path / "data" / "cases.sqlite"
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        if version == "0.1.0":
            connection.executescript(FIRST)
    connection.close()
    if version != "0.1.0":
        engine = sa.create_engine(f"sqlite:///{path}")
        v1_tables.metadata.create_all(engine)
        engine.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute(ROW)
    connection.close()
    for _ in range(2):
        app = make_app()
        with app.app_context():
            assert differences(db.engine) == []
        found = app.test_client().get(f"/api/cases/{CASE_ID}").json
        assert (found["name"], found["state"]) == ("Old case", "queued")
        assert found["created_at"] == "2025-01-02T03:04:05.678901Z"


def test_a_database_of_a_newer_version_is_refused(make_app, app):
    with app.app_context():
        db.session.execute(sa.text("UPDATE alembic_version SET version_num = 'v999'"))
        db.session.commit()
    with pytest.raises(StartupError, match=r"'v999'\nA newer version may have used it"):
        make_app()


@pytest.mark.slow
def test_a_database_without_the_right_to_make_tables_is_refused(make_app):
    services.require("postgresql")
    with services.postgresql() as url:
        engine = sa.create_engine(url.replace("postgresql", "postgresql+psycopg", 1))
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE ROLE reader LOGIN"))
            connection.execute(sa.text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
        engine.dispose()
        with pytest.raises(StartupError, match="cannot be used: permission denied"):
            make_app(database_url=url.replace("bts@", "reader@"))
        # Each look anew: what a transaction sees of others stays as it was.
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            left = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader'"
            wait_until(lambda: connection.scalar(sa.text(left)) == 0)
        engine.dispose()


MIGRATE = """
import sys
import sqlalchemy as sa
from app.store import migrations
with sa.create_engine(sys.argv[1]).begin() as connection:
    migrations.upgrade(connection)
"""


@pytest.mark.slow
def test_postgresql_by_several_processes_at_once():
    services.require("postgresql")
    with services.postgresql() as url:
        url = url.replace("postgresql", "postgresql+psycopg", 1)
        command = [sys.executable, "-c", MIGRATE, url]
        processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
        assert [process.wait(60) for process in processes] == [0] * 4
        engine = sa.create_engine(url)
        assert differences(engine) == []
        engine.dispose()


def test_cases_that_are_there_are_put_together_by_patient():
    jane = {"name": "Doe^Jane", "identifier": "P-1", "study_date": "20240105"}
    cases = [
        {"id": str(number), "owner": owner, "name": name, "modalities": {}, "patient": patient}
        for number, (owner, name, patient) in enumerate(
            [
                ("", "A", jane),
                ("", "B", jane | {"study_date": "20240305"}),
                ("anna", "C", jane),
                ("", "sub-1_ses-2", None),
                ("", "sub-1_ses-10", None),
                ("", "D", None),
            ]
        )
    ]
    rows = v8_time_points._rows(cases)
    keys = [row["patient_key"] for row in rows]
    assert keys[0] == keys[1] and keys[3] == keys[4]
    assert len(set(keys)) == 4
    assert str(rows[1]["study_date"]) == "2024-03-05"
    assert (rows[4]["subject"], rows[4]["session"]) == ("1", "10")
