"""Deliveries on the database of a scaled-out service."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.dicom_node import intake
from app.store import cases, deliveries, removal
from app.store.models import Delivery, StoredCase, db

pytestmark = pytest.mark.slow

TARGET = "ARCHIVE@127.0.0.1:9"


@pytest.fixture
def app(make_app, urls):
    app = make_app(**urls, case_limit_s=60, dicom_send_to=TARGET)
    yield app
    with app.app_context():
        for table in reversed(db.metadata.sorted_tables):
            db.session.execute(sa.delete(table))
        db.session.commit()


def test_deliveries_on_postgresql(app, spool, study, quiet):
    for dataset in study:
        with spool.partial(lambda file, one=dataset: one.save_as(file)) as path:
            name = spool.add(path, dataset.StudyInstanceUID, dataset.SOPInstanceUID)
    assert spool.complete() == [name]
    uid = str(study[0].StudyInstanceUID)
    with app.app_context():
        case = intake.take_in(spool, name)
        assert cases.was_received(name)
        assert deliveries.take_due() is None
        assert not cases.is_done(uid)
        ended = sa.update(StoredCase).values(state="done", finished_at=datetime.now(UTC))
        db.session.execute(ended)
        db.session.commit()
        assert cases.is_done(uid) and not cases.is_done("1.2.3")
        row = deliveries.take_due()
        assert (row.case_id, row.target, row.attempts) == (case.id, TARGET, 1)
        assert deliveries.not_sent(row, "away") == "waiting"
        assert deliveries.take_due() is None
        deliveries.order(db.session.get(StoredCase, case.id))
        row = deliveries.take_due()
        assert row.attempts == 1
        deliveries.sent(row)
        found = deliveries.of_case(db.session.get(StoredCase, case.id))
        assert [(one.state, one.problem) for one in found] == [("sent", "")]
        assert found[0].sent_at > datetime.now(UTC) - timedelta(minutes=1)
        removal.remove(db.session.get(StoredCase, case.id))
        assert not db.session.scalars(sa.select(Delivery)).all()
