"""Cases by command that workers segment, on a real PostgreSQL and a real Redis."""

import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.analysis.record import record_of
from app.commands import batch_remote
from app.commands.batch import OutputFolder
from app.intake.case_inputs import CaseInput
from app.store import removal
from app.store.db_errors import DATABASE_AWAY
from app.store.models import StoredCase, db
from tests import services
from tests.app.rows import change, row

pytestmark = pytest.mark.slow


@pytest.fixture
def app(scaled_out):
    return scaled_out


@pytest.fixture
def remote(app, model_holder, tmp_path):
    """Return a function that makes a batch; all have the same results."""
    card = model_holder.card
    views = card.inference.views
    output = OutputFolder(tmp_path / "out", "brats2021", card.checksum, card.networks, views)
    (output.folder / batch_remote.NOTES).mkdir(parents=True)
    return lambda again=False: batch_remote.RemoteBatch(app, output, again)


def test_a_batch_goes_on_with_cases_that_are_wanted_alone(
    app, dispatcher, remote, scans, tmp_path, analysis, model_holder
):
    files = {key: shutil.copy(path, tmp_path) for key, path in scans.items()}
    job = CaseInput("patient", files={key: Path(path) for key, path in files.items()})
    with app.app_context():
        ids = [remote()._put_in(job)]
        assert remote()._put_in(job) == ids[0]
        ids.append(remote(again=True)._put_in(job))
        shutil.copy(scans["flair"], files["t2"])
        ids.append(remote()._put_in(job))
        assert remote()._put_in(job) == ids[-1]
        record = record_of(analysis, model_holder.card, "brats2021", {})
        model = replace(record.model, checksum="another")
        change(ids[-1], state="done", record=replace(record, model=model))
        ids.append(remote()._put_in(job))
        assert len(set(ids)) == 4
        # What is left aside does not stay in the service.
        assert [row(case_id) is None for case_id in ids] == [True, True, True, False]


def test_a_batch_says_why_nothing_happens(app, dispatcher, remote, scans, monkeypatch, caplog):
    class Enough(Exception):
        pass

    told = []

    def watch(text, _):
        told.append(text)
        if "No worker is running." in text or len(told) > 20:
            raise Enough

    monkeypatch.setattr(batch_remote, "PATIENCE_S", 0)
    with app.app_context(), pytest.raises(Enough):
        list(remote().run([CaseInput("patient", files=scans)], [], watch))
    assert "No worker is running." in told[-1]
    assert "No worker is running." in caplog.text


def test_a_case_that_somebody_deletes_meanwhile_has_failed(app, dispatcher, remote, scans):
    """The command ends, and says so."""
    with app.app_context():

        def watch(*_):
            for case in db.session.scalars(sa.select(StoredCase)):
                removal.remove(case)

        (outcome,) = remote().run([CaseInput("patient", files=scans)], [], watch)
    assert (outcome.state, outcome.error.code) == ("failed", "case_deleted")


def test_tidying_up_waits_for_a_database_that_is_away(app, remote, scans, urls):
    job, told = CaseInput("patient", files=scans), []
    with app.app_context(), ExitStack() as outage:
        case_id = remote()._put_in(job)
        outage.enter_context(services.away(urls["database_url"]))

        def watch(text, _):
            told.append(text)
            outage.close()

        assert list(remote().run([], [job], watch)) == []
        assert DATABASE_AWAY in told
        assert row(case_id) is None
