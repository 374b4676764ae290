"""Brokers and databases for tests: real ones, on free ports of this machine, in folders of their own."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kombu import Connection

RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's programs; Debian keeps it off the path."""
    on_path = shutil.which("initdb")
    places = [Path(on_path).resolve().parent] if on_path else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return places[0] if places else None


def missing(*names: str) -> list[str]:
    """Return which of `redis`, `rabbitmq` and `postgresql` are not installed."""
    there = {
        "redis": shutil.which("redis-server"),
        "rabbitmq": RABBITMQ.exists(),
        "postgresql": find_postgres(),
    }
    return [name for name in names if not there[name]]


def require(*names: str) -> None:
    """Skip the test where a program is missing."""
    if absent := missing(*names):
        pytest.skip(f"{', '.join(absent)} is not installed; .ci/run has the packages")


@contextmanager
def postgresql() -> Iterator[str]:
    """Start PostgreSQL; yield the URL of an empty database."""
    programs, port = find_postgres(), free_port()
    with _folder() as folder:
        # It refuses to be run by root.
        user = "postgres" if os.geteuid() == 0 else None
        if user:
            shutil.chown(folder, user)
        initdb = [programs / "initdb", "-D", folder / "db", "-A", "trust", "-U", "bts", "--no-sync"]
        subprocess.run(initdb, user=user, cwd=folder, check=True, capture_output=True)
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [programs / "postgres", "-D", folder / "db", *settings]
        url = f"postgresql://bts@127.0.0.1:{port}"
        # SIGTERM would wait for clients that have not hung up.
        with _running(command, folder, signal.SIGINT, user=user):
            _wait(lambda: psycopg.connect(f"{url}/postgres").close())
            with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
                connection.execute("CREATE DATABASE bts")
            yield f"{url}/bts"


@contextmanager
def away(database_url: str) -> Iterator[None]:
    """Hang up on everybody, and let nobody in, as a server does that is down."""
    server, name = database_url.rsplit("/", 1)
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        hang_up(database_url)
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def hang_up(database_url: str) -> None:
    """Cut all connections to a database; who comes again is let in."""
    server, name = database_url.rsplit("/", 1)
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )


@contextmanager
def redis() -> Iterator[str]:
    """Start Redis; yield its URL."""
    port = free_port()
    with _folder() as folder:
        options = {"port": port, "bind": "127.0.0.1", "save": "", "dir": folder}
        settings = [part for name, value in options.items() for part in (f"--{name}", value)]
        with _running(["redis-server", *settings], folder):
            yield _answering(f"redis://127.0.0.1:{port}/0")


@contextmanager
def rabbitmq() -> Iterator[str]:
    """Start RabbitMQ; yield its URL."""
    port, epmd = free_port(), free_port()
    with _folder() as folder:
        environment = os.environ | {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(epmd),
            "RABBITMQ_NODENAME": f"bts{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        }
        try:
            with _running([RABBITMQ], folder, env=environment):
                yield _answering(f"amqp://guest:guest@127.0.0.1:{port}//")
        finally:
            # Erlang's port mapper, which the broker started, outlives it.
            subprocess.run(["epmd", "-kill"], env=environment, capture_output=True, check=False)


BROKERS: dict[str, Callable] = {"redis": redis, "rabbitmq": rabbitmq}


@contextmanager
def _folder() -> Iterator[Path]:
    # Not pytest's: other users cannot get into that one.
    with tempfile.TemporaryDirectory(prefix="bts-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def _running(
    command: list, folder: Path, end: int = signal.SIGTERM, **options: Any
) -> Iterator[None]:
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command], cwd=folder, stdout=output, stderr=output, **options
        )
        try:
            yield
        finally:
            process.send_signal(end)
            process.wait(60)


def _answering(url: str) -> str:
    """Return the URL of a broker once it answers."""

    def ask() -> None:
        with Connection(url, connect_timeout=2) as connection:
            connection.connect()
            connection.default_channel.close()

    _wait(ask)
    return url


def _wait(ask: Callable[[], None], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
