"""Load a server on this machine for a while, kill it again and again, and count what is left.

    python -m benchmarks.soak SECONDS [--out PAGE]

Clients send good, bad and broken-off uploads, read and delete; the server is killed at random in the
first two thirds of the time, and left alone in the last, in which its memory and open files are
watched. Nothing but 127.0.0.1 is spoken to, and all of it ends by itself.
"""

import argparse
import contextlib
import json
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

from benchmarks.report import write_section
from benchmarks.soak_page import as_markdown, passed
from model.io.modalities import MODALITIES
from model.io.nifti import read_volume
from tests.app.serving import Server
from tests.app.web.hazards import HAZARDS, Parts
from tests.phantoms import small_case, write_case

CLIENTS = 4
# Good cases that wait at most, so that the queue is empty soon after the end.
MOST_WAITING = 6
KILL_EVERY_S = (15.0, 40.0)
DRAIN_S = 600
# Hazards of more than this are left to the tests: they measure the network of this machine.
LARGEST_HAZARD = 2**20
WEIGHTS = {"good": 4, "bad": 4, "broken off": 2, "read": 4, "delete": 1}


@dataclass
class Tally:
    """What clients did and saw; `accepted` maps each case that was taken to whether it is wanted."""

    counts: Counter = field(default_factory=Counter)
    accepted: dict[str, bool] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    samples: list[tuple[float, int, int]] = field(default_factory=list)


class Soak:
    """One run."""

    def __init__(self, data_dir: Path, seconds: float, good: Parts):
        self.data_dir, self.seconds, self.good = data_dir, seconds, good
        self.port = _free_port()
        self.server = self._started()
        self.tally, self.lock, self.end = Tally(), threading.Lock(), threading.Event()

    def run(self) -> dict[str, Any]:
        """Return the findings."""
        start = time.monotonic()
        clients = [threading.Thread(target=self._client, args=(n,)) for n in range(CLIENTS)]
        for thread in clients:
            thread.start()
        dice = random.Random(0)
        while time.monotonic() - start < self.seconds * 2 / 3:
            time.sleep(min(dice.uniform(*KILL_EVERY_S), self.seconds / 6))
            self._kill(dice)
        while time.monotonic() - start < self.seconds:
            self._sample(time.monotonic() - start)
            time.sleep(min(5.0, self.seconds / 20))
        self.end.set()
        for thread in clients:
            thread.join()
        return self._findings()

    def close(self) -> None:
        self.end.set()
        self.server.close()

    def _started(self) -> Server:
        # Other limits are as they come: the codes of the hazards are those at these limits.
        return Server(self.data_dir, port=self.port, disk_reserve_mb=1).wait()

    def _kill(self, dice: random.Random) -> None:
        """Kill the worker, which its master replaces, or both; or ask both to end."""
        how = dice.choice(["worker", "all", "end"])
        self.tally.counts[f"server: kill {how}"] += 1
        if how == "worker":
            with contextlib.suppress(ProcessLookupError, IndexError):
                self.server.signal_worker(signal.SIGKILL)
            return
        if how == "end":
            self.server.process.send_signal(signal.SIGTERM)
            self.server.process.wait(60)
        self.server.close()
        self.server = self._started()

    def _client(self, number: int) -> None:
        dice = random.Random(number)
        while not self.end.is_set():
            action = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            try:
                getattr(self, "_" + action.replace(" ", "_"))(dice)
            except (OSError, HTTPException):
                # The server was killed at that moment.
                self._count(f"{action}: cut off")
                time.sleep(0.5)
            except Exception as error:
                self._fault(f"{action}: {error!r}")
            time.sleep(dice.uniform(0.02, 0.2))

    def _good(self, dice: random.Random) -> None:
        listed = self.server.json("/api/cases?per_page=100")["cases"]
        if sum(case["state"] in ("queued", "running") for case in listed) >= MOST_WAITING:
            return
        status, answer = self.server.upload(form(self.good))
        if status == 202:
            with self.lock:
                self.tally.accepted[answer["id"]] = True
        else:
            self._fault(f"good upload: {status} {answer}")
        self._count("good: accepted")

    def _bad(self, dice: random.Random) -> None:
        name = dice.choice(
            [n for n, (parts, _) in HAZARDS.items() if _size(parts) < LARGEST_HAZARD]
        )
        parts, code = HAZARDS[name]
        status, answer = self.server.upload(form(parts))
        found = answer.get("error", {}).get("code")
        if status >= 500 or found != code:
            self._fault(f"{name}: {status} {found}")
        self._count("bad: refused")

    def _broken_off(self, dice: random.Random) -> None:
        body, kind = form(self.good)
        head = (
            f"POST /api/cases HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(head.encode() + body[: dice.randrange(len(body) - 1)])
        self._count("broken off: sent")

    def _read(self, dice: random.Random) -> None:
        for case in self.server.json("/api/cases?per_page=5")["cases"]:
            status, _, body = self.server.request("GET", f"{case['url']}/segmentation.nii.gz")
            if status == 200 and not _is_whole(body):
                self._fault(f"half a mask of {case['id']}")
            elif status not in (200, 404, 409):
                self._fault(f"reading: {status} {body[:300]!r}")
        self._count("read: five cases")

    def _delete(self, dice: random.Random) -> None:
        done = [c for c in self.server.json("/api/cases")["cases"] if c["state"] == "done"]
        if not done:
            return
        case_id = dice.choice(done)["id"]
        with self.lock:
            self.tally.accepted[case_id] = False
        status, _, _ = self.server.request("DELETE", f"/api/cases/{case_id}")
        if status not in (204, 404):
            self._fault(f"deleting: {status}")
        self._count("delete: done")

    def _count(self, what: str) -> None:
        with self.lock:
            self.tally.counts[what] += 1

    def _fault(self, what: str) -> None:
        with self.lock:
            self.tally.faults.append(what)

    def _sample(self, seconds: float) -> None:
        with contextlib.suppress(OSError, IndexError):
            self.tally.samples.append((seconds, *self.server.usage()))

    def _findings(self) -> dict[str, Any]:
        """Wait until the queue is empty, then compare what was promised with what is there."""
        until = time.monotonic() + DRAIN_S
        while time.monotonic() < until:
            listed = self._all_cases()
            if all(case["state"] in ("done", "failed") for case in listed.values()):
                break
            time.sleep(1)
        wanted = [case_id for case_id, keep in self.tally.accepted.items() if keep]
        folders = {path.name for path in (self.data_dir / "cases").iterdir()}
        return {
            "accepted": len(self.tally.accepted),
            "lost": [case_id for case_id in wanted if case_id not in listed],
            "unfinished": [i for i, c in listed.items() if c["state"] not in ("done", "failed")],
            "failed": [c["error"]["code"] for c in listed.values() if c["state"] == "failed"],
            "done": sum(case["state"] == "done" for case in listed.values()),
            "folders without case": sorted(folders - set(listed)),
            "cases without folder": sorted(set(listed) - folders),
            "left in staging": len(list((self.data_dir / "staging").iterdir())),
            "faults": self.tally.faults,
            "counts": dict(sorted(self.tally.counts.items())),
            "samples": self.tally.samples,
        }

    def _all_cases(self) -> dict[str, Any]:
        found, page = {}, 1
        while True:
            answer = self.server.json(f"/api/cases?per_page=100&page={page}")
            found |= {case["id"]: case for case in answer["cases"]}
            if page >= answer["pages"]:
                return found
            page += 1


def form(parts: Parts) -> tuple[bytes, str]:
    """Return parts as (body, content type)."""
    lines = []
    for name, file, content in parts:
        head = f'--soak\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n\r\n'
        lines += [head.encode(), content, b"\r\n"]
    return b"".join([*lines, b"--soak--\r\n"]), "multipart/form-data; boundary=soak"


def _size(parts: Parts) -> int:
    return sum(len(content) for _, _, content in parts)


def _is_whole(content: bytes) -> bool:
    with tempfile.NamedTemporaryFile(suffix=".nii.gz") as file:
        file.write(content)
        file.flush()
        return read_volume(Path(file.name)).data.size > 0


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def run(seconds: float) -> dict[str, Any]:
    """Soak a new server for some seconds; return the findings."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_case(Path(folder, "scans"), small_case()[0])
        good = [(key, paths[key].name, paths[key].read_bytes()) for key in MODALITIES]
        soak = Soak(Path(folder, "data"), seconds, good)
        try:
            return soak.run()
        finally:
            soak.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("seconds", type=float)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    findings = run(arguments.seconds)
    section = as_markdown(findings, arguments.seconds, CLIENTS)
    if arguments.out:
        write_section(arguments.out, section)
    print(section, json.dumps(findings["faults"][:20], indent=1), sep="\n")
    sys.exit(0 if passed(findings) else 1)


if __name__ == "__main__":
    main()
