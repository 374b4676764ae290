"""A scaled-out service on this machine: a broker, PostgreSQL, a web process and workers, all real."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.soak_content import form
from model.io.modalities import MODALITIES
from tests import services
from tests.app.serving import ROOT, Server

WORKER = ("-m", "celery", "-A", "celery_worker", "worker", "--pool", "solo")


class Worker:
    """A worker in a process of its own, as the README starts it."""

    def __init__(self, name: str, log: Path, settings: dict[str, str]):
        self._log = log
        # Two workers on a machine of two cores.
        environment = os.environ | {"OMP_NUM_THREADS": "1"} | settings
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *WORKER, "-n", f"{name}@localhost"],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=output,
            )

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text()

    @property
    def busy(self) -> bool:
        """Whether it has begun a case and not ended it."""
        runs = [line for line in self.log.splitlines() if " app.jobs.attempt: " in line]
        return bool(runs) and ": started" in runs[-1]


class Fleet:
    """What runs, and what can be done to it."""

    def __init__(self, folder: Path, broker_url: str, database_url: str, **settings: Any):
        self.data_dir, self.database_url = folder / "data", database_url
        self._folder = folder
        self.settings = {"broker_url": broker_url, "database_url": database_url} | settings
        self._port = services.free_port()
        self._started = 0
        self.workers: list[Worker] = []
        self.server = self._serve()

    def _serve(self) -> Server:
        return Server(self.data_dir, port=self._port, **self.settings).wait()

    @property
    def environment(self) -> dict[str, str]:
        """What makes a command or a worker part of the service."""
        return _variables({"data_dir": self.data_dir} | self.settings)

    def add_worker(self, **settings: Any) -> Worker:
        """Start a worker; it is there once /readyz says so."""
        self._started += 1
        name = f"worker-{self._started}"
        log = self._folder / f"{name}.log"
        self.workers.append(Worker(name, log, self.environment | _variables(settings)))
        return self.workers[-1]

    def busy_worker(self) -> Worker:
        """Wait until a worker is at a case; return it."""
        self.until(lambda: any(worker.busy for worker in self.workers))
        return next(worker for worker in self.workers if worker.busy)

    def pause(self, how: int = signal.SIGSTOP) -> None:
        """Stop all workers where they are."""
        for worker in self.workers:
            worker.process.send_signal(how)

    def go_on(self) -> None:
        self.pause(signal.SIGCONT)

    def wait_ready(self, workers: int = 1) -> None:
        """Return once the service is ready, with so many workers."""
        self.until(
            lambda: (
                self.server.json("/readyz")["ready"]
                and len(self.rows("SELECT name FROM workers")) >= workers
            )
        )

    def until(self, true: Any, seconds: float = 200) -> None:
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                logs = [self.server.log, *(worker.log for worker in self.workers)]
                raise AssertionError("waited too long:\n" + "\n".join(logs))
            time.sleep(0.05)

    def rows(self, query: str) -> list[tuple]:
        """Ask the database itself."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query).fetchall()

    def states(self) -> dict[str, str]:
        return dict(self.rows("SELECT id, state FROM cases"))

    def upload(self, scans: dict[str, Path]) -> str:
        """Upload a case; return its id."""
        parts = [(key, scans[key].name, scans[key].read_bytes()) for key in MODALITIES]
        status, answer = self.server.upload(form(parts))
        assert status == 202, answer
        return answer["id"]

    def kill_busy_worker(self) -> None:
        """Kill a worker that is at a case, as a loss of power would."""
        worker = self.busy_worker()
        worker.process.kill()
        worker.process.wait()
        self.workers.remove(worker)

    def restart_web(self, how: int = signal.SIGTERM) -> None:
        os.killpg(self.server.process.pid, how)
        self.server.process.wait(60)
        self.server.close()
        self.server = self._serve()

    def close(self) -> None:
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.wait(60)
        self.server.close()


def _variables(settings: dict[str, Any]) -> dict[str, str]:
    return {f"BTS_{name.upper()}": str(value) for name, value in settings.items()}


@contextmanager
def running(folder: Path, broker: str, workers: int = 2, **settings: Any) -> Iterator[Fleet]:
    """Start everything, wait until it is ready, and end it.

    broker : `redis` or `rabbitmq`
    """
    with ExitStack() as stack:
        database_url = stack.enter_context(services.postgresql())
        broker_url = stack.enter_context(services.BROKERS[broker]())
        fleet = Fleet(folder, broker_url, database_url, **settings)
        stack.callback(fleet.close)
        for _ in range(workers):
            fleet.add_worker()
        fleet.wait_ready(workers)
        yield fleet
