"""Processes really killed between receiving and sending: nothing is lost, nothing is there twice."""

import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.analysis import pipeline
from app.dicom_node import spool as spool_module
from app.dicom_node.spool import Spool
from app.jobs import case_queue
from app.store import cases, removal
from app.store.data_folder import INCOMING
from app.store.models import Delivery, StoredCase, db
from tests.app.conftest import close
from tests.app.dicom_node import crashing
from tests.app.dicom_node.crashing import PLACES
from tests.app.jobs.crashing import stub
from tests.app.serving import ROOT
from tests.support.dicom_peer import archive
from tests.support.dicom_study import write_study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, series):
    """The study as enhanced files: few objects."""
    found = tmp_path_factory.mktemp("study")
    write_study(found, series, enhanced=True)
    return found


@pytest.fixture(scope="module")
def killed(tmp_path_factory, folder, analysis, model_holder):
    """Data folders of processes killed at each place, numbered, and the archive that they sent to."""
    base = tmp_path_factory.mktemp("crashes")
    saved = base / "analysis"
    saved.write_bytes(pickle.dumps((analysis, model_holder.get().card)))
    with archive() as found:
        command = [sys.executable, "-m", "tests.app.dicom_node.crashing"]
        done = subprocess.run(
            [*command, saved, folder, base, str(found.port)],
            capture_output=True,
            text=True,
            timeout=550,
            check=False,
            cwd=ROOT,
        )
        assert done.returncode == 0, done.stderr
        yield base, found


@pytest.mark.parametrize("place", PLACES)
def test_killed_anywhere(killed, folder, place, analysis, model_holder, monkeypatch):
    monkeypatch.setattr(pipeline, "analyse", stub(analysis))
    monkeypatch.setattr(spool_module, "QUIET_S", 0.0)
    base, found = killed
    data_dir = base / str(list(PLACES).index(place))
    app = crashing.app_of(data_dir, found.port, model_holder.get().card)
    spool = Spool(data_dir / INCOMING)
    with app.app_context():
        case_queue.recover()
        removal.remove_leftovers(datetime.now(UTC))
        spool.recover(cases.was_received)
        # After its pause.
        db.session.execute(sa.update(Delivery).values(due_at=datetime.now(UTC) - timedelta(1)))
        db.session.commit()
    if place.startswith("receive"):
        # Not all of it was confirmed: its sender sends it again.
        crashing.receive(spool, folder)
    crashing.work(app, spool)
    with app.app_context():
        case = db.session.scalars(sa.select(StoredCase)).one()
        assert (case.state, list(case.modalities)) == ("done", ["flair", "t1", "t1ce", "t2"])
        assert db.session.scalars(sa.select(Delivery)).one().state == "sent"
        # UIDs are made from the id of the case, so that it tells which objects are its.
        seg = {dataset.SOPInstanceUID for dataset in found.got if _is_of(dataset, case)}
        assert len(seg) == 2
    assert not list((data_dir / INCOMING).iterdir())
    assert not list((data_dir / "staging").iterdir())
    assert len(list((data_dir / "cases").iterdir())) == 1
    close(app)


def _is_of(dataset, case) -> bool:
    """Say whether an object is a result of a case."""
    from app.reporting.dicom_results import results_of

    identity = results_of(case).identity
    return dataset.SOPInstanceUID in (
        identity.uid("seg", "instance"),
        identity.uid("sr", "instance"),
    )
