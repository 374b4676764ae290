"""Whatever fits the OpenAPI document, and whatever does not, is answered without a fault."""

import contextlib

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from werkzeug.test import run_wsgi_app

from app.analysis import pipeline
from app.jobs.queue_runner import queue_runner
from tests.app.jobs.crashing import stub
from tests.app.jobs.test_crashes import wait_until

pytestmark = pytest.mark.slow

EXAMPLES = 15


def closed(app):
    """Return the application with answers read to their end, since Schemathesis leaves downloads open.

    Files that the garbage collector has to close warn with a traceback, whose making parses Python; where
    that happens while Hypothesis parses, CPython 3.11 ends with a SystemError (python/cpython#106905).
    """

    def call(environ, start_response):
        body, status, headers = run_wsgi_app(app, environ, buffered=True)
        start_response(status, list(headers))
        return body

    return call


def operations(app) -> dict:
    """Return what the document describes, by method and path."""
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", closed(app))
    found = [result.ok() for result in schema.get_all_operations()]
    return {f"{operation.method.upper()} {operation.path}": operation for operation in found}


def exercise(operation, mode: GenerationMode, case_id: str) -> None:
    """Send calls of one operation, with parameters that fit or do not."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case):
        # What is looked at is a case that is there; nothing may delete it.
        if case.method == "GET" and "case_id" in (case.path_parameters or {}):
            case.path_parameters["case_id"] = case_id
        response = case.call()
        case.validate_response(response, checks=[not_a_server_error])
        if response.status_code >= 400:
            assert response.json()["error"]["code"]

    call()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_call_ends_in_a_fault(app, upload, run_queue, monkeypatch, analysis, mode):
    monkeypatch.setattr(pipeline, "analyse", stub(analysis))
    case_id = upload().json["id"]
    run_queue()
    found = operations(app)
    assert len(found) >= 14
    queue_runner(app).start()
    try:
        wait_until(lambda: queue_runner(app).ready)
        for operation in found.values():
            # Calls without parameters have no wrong ones.
            with contextlib.suppress(Unsatisfiable):
                exercise(operation, mode, case_id)
    finally:
        queue_runner(app).stop()
    assert app.test_client().get(f"/api/cases/{case_id}").json["state"] == "done"
