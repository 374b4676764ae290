"""A real server in a process of its own, and a plain client for it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Server:
    """gunicorn on a free port of this machine, as `make run` starts it."""

    def __init__(self, data_dir: Path, host: str = "127.0.0.1", port: int = 0, **settings: Any):
        self.data_dir, self.log_path = data_dir, data_dir.with_suffix(".log")
        names = {f"BTS_{name.upper()}": str(value) for name, value in settings.items()}
        environment = os.environ | {"BTS_DATA_DIR": str(data_dir), "OMP_NUM_THREADS": "2"} | names
        environment.pop("PORT", None)
        self._log = self.log_path.open("ab")
        self._start = self._log.tell()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--bind", f"{host}:{port}"],
            cwd=ROOT,
            env=environment,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    @property
    def log(self) -> str:
        """What this server has written so far."""
        return self.log_path.read_bytes()[self._start :].decode()

    @property
    def port(self) -> int:
        found = re.search(r"Listening at: http://[\d.]+:(\d+)", self.log)
        return int(found[1]) if found else 0

    def wait(self, seconds: float = 90) -> "Server":
        """Return once the server answers."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.port and self.request("GET", "/healthz")[0] == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"the server does not answer:\n{self.log}")

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str):
        """Return status, headers and body of an answer."""
        url = f"http://127.0.0.1:{self.port}{path}"
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, body, names, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def json(self, path: str) -> Any:
        return json.loads(self.request("GET", path)[2])

    def upload(self, form: tuple[bytes, str]) -> tuple[int, Any]:
        """Post a form (body, type); return status and answer."""
        status, _, body = self.request("POST", "/api/cases", form[0], Content_Type=form[1])
        return status, json.loads(body)

    @property
    def worker(self) -> int:
        """Process that serves. Raises IndexError while there is none."""
        master = self.process.pid
        return int(Path(f"/proc/{master}/task/{master}/children").read_text().split()[0])

    def signal_worker(self, number: int) -> None:
        os.kill(self.worker, number)

    def usage(self) -> tuple[int, int]:
        """Return bytes of memory and the number of open files of the worker."""
        folder = Path(f"/proc/{self.worker}")
        pages = int((folder / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(list((folder / "fd").iterdir()))

    def kill(self) -> None:
        """Kill master and worker, as a loss of power would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self._log.close()


@contextmanager
def serving(data_dir: Path, **settings: Any) -> Iterator[Server]:
    """Start a server, wait until it answers, and end it."""
    server = Server(data_dir, **settings)
    try:
        yield server.wait()
    finally:
        server.close()
