"""A worklist of 5,000 cases is not waited for: by time on SQLite, and by what the database looks at."""

import time

import pytest
import sqlalchemy as sa

from app.analysis import pipeline
from app.jobs.queue_runner import queue_runner
from app.store import cases, worklist
from app.store.models import SORTED, db
from app.store.worklist import SORTS, Wanted
from tests.app.conftest import app_on, close, file_parts
from tests.app.jobs.crashing import stub
from tests.app.many import fill

COUNT = 5000
# Of the processor, for a page of 50 rows as HTML, on a slow machine; a third of it is aimed at.
LIMIT_S = 0.3


@pytest.fixture(scope="module")
def many(tmp_path_factory, model_holder, scans, analysis):
    """An app with that many cases."""
    app = app_on(tmp_path_factory.mktemp("many"), model_holder)
    case_id = app.test_client().post("/api/cases", data=file_parts(scans)).json["id"]
    with pytest.MonkeyPatch.context() as patch, app.app_context():
        patch.setattr(pipeline, "analyse", stub(analysis))
        queue_runner(app).run_next()
        fill(COUNT - 1, cases.find(case_id))
    yield app
    close(app)


def seconds(client, address: str) -> float:
    """Return the processor time of an answer, the best of three, whatever else uses the processor."""
    found = []
    for _ in range(3):
        start = time.thread_time()
        assert client.get(address).status_code == 200
        found.append(time.thread_time() - start)
    return min(found)


def test_every_order_filter_and_page_is_quick(many):
    client = many.test_client()
    assert client.get("/api/cases").json["total"] == COUNT
    addresses = [
        "/",
        "/?page=100",
        *(f"/?sort={sort}&order={order}" for sort in SORTS for order in ("asc", "desc")),
        "/?sort=name&page=50",
        "/?sort=whole_tumor&page=99",
        "/?q=family99",
        "/?q=no+such+case",
        "/?status=to_correct&only=incomplete&sort=edema",
        "/api/cases?per_page=100&sort=warnings",
    ]
    found = {address: seconds(client, address) for address in addresses}
    slowest = max(found, key=found.get)
    assert found[slowest] < LIMIT_S, slowest


def test_the_whole_list_is_exported_in_moments(many):
    client = many.test_client()
    assert seconds(client, "/api/cases.csv") < 10 * LIMIT_S
    assert len(client.get("/api/cases.csv").text.splitlines()) == COUNT + 1


@pytest.mark.parametrize("column", SORTED)
def test_columns_are_sorted_by_an_index(many, column):
    sort = next(name for name, key in SORTS.items() if getattr(key, "key", None) == column)
    with many.test_request_context():
        select = worklist._ordered(Wanted(sort=sort)).limit(50)
        text = select.compile(db.engine, compile_kwargs={"literal_binds": True})
        plan = db.session.execute(sa.text(f"EXPLAIN QUERY PLAN {text}")).all()
    told = " ".join(str(step) for step in plan)
    assert f"ix_cases_shown_{column}" in told
