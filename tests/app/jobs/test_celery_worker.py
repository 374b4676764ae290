"""Worker processes: how they start and end, and that one process alone needs nothing of theirs."""

import os
import socket
import subprocess
import sys

import pytest

from tests.app.serving import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("settings", "pool", "message"),
    [
        ({}, "solo", "A worker needs BTS_BROKER_URL"),
        ({"given": True}, "threads", "start workers with --pool solo"),
        ({"given": True, "model_dir": "nowhere"}, "solo", "The model cannot be used"),
    ],
)
def test_a_worker_says_why_it_does_not_start(urls, tmp_path, settings, pool, message):
    wanted = {"data_dir": tmp_path / "data"} | settings
    wanted |= urls if wanted.pop("given", False) else {}
    run = start_worker(wanted, pool)
    assert run.returncode != 0
    assert message in run.stderr


def test_a_worker_whose_port_is_taken_says_so(urls, tmp_path):
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        run = start_worker(urls | {"data_dir": tmp_path / "data", "metrics_port": port})
    assert run.returncode != 0
    assert f"BTS_METRICS_PORT={port} cannot be used" in run.stderr


def start_worker(settings, pool="solo"):
    environment = os.environ | {f"BTS_{key.upper()}": str(value) for key, value in settings.items()}
    command = [sys.executable, "-m", "celery", "-A", "celery_worker", "worker", "--pool", pool]
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


HANGS = """
import time
from types import SimpleNamespace
from app.jobs import case_queue, celery_app
from app.jobs.attempt import CaseRunner
celery_app.GRACE_S = 1
case_queue.take = lambda *_: SimpleNamespace(id="x")
CaseRunner.run = lambda *_: time.sleep(50)
from celery_worker import celery
celery.tasks[celery_app.TASK].apply(("x", "2025-01-01"))
"""


def test_what_hangs_ends_with_its_process(urls, tmp_path):
    wanted = urls | {"data_dir": tmp_path, "case_limit_s": 5}
    environment = os.environ | {f"BTS_{key.upper()}": str(value) for key, value in wanted.items()}
    command = [sys.executable, "-c", HANGS]
    run = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 1
    assert "Timeout" in run.stderr


ALONE = """
import sys
from app import create_app
create_app({"data_dir": sys.argv[1]}, serve=False).test_client().get("/readyz")
sys.exit(bool({"celery", "kombu", "redis", "psycopg"} & set(sys.modules)))
"""


def test_one_process_needs_none_of_it(tmp_path):
    command = [sys.executable, "-c", ALONE, str(tmp_path / "data")]
    assert subprocess.run(command, cwd=ROOT, timeout=120, check=False).returncode == 0
