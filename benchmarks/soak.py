"""Load a server on this machine for a while, kill it again and again, and count what is left.

    python -m benchmarks.soak SECONDS [--out PAGE]

Clients send good, bad and broken-off uploads, NIfTI and DICOM, read masks and whole volumes, correct and
delete. In the first two thirds of the time the server is killed at random, its disk is full for up to a minute
(as root only, on a disk of its own) and its database locked for another; in the last third it is left alone. Nothing
but 127.0.0.1 is spoken to, and all of it ends by itself.
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
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

from benchmarks.report import write_section
from benchmarks.soak_content import changed, form, is_dicom, is_whole, zipped_study
from benchmarks.soak_disturbances import filled, locked, own_disk
from benchmarks.soak_page import AS_PROMISED, as_markdown, passed
from model.io.modalities import MODALITIES
from tests.app.serving import Server
from tests.app.web.hazards import HAZARDS, Parts
from tests.phantoms import small_case, write_case

CLIENTS = 4
# Good cases that wait at most, so that the queue is empty soon after the end.
MOST_WAITING = 6
KILL_EVERY_S = (15.0, 40.0)
DRAIN_S = 600
# The time of a run counts from the first case that is taken, for which this long is waited at most.
FIRST_CASE_S = 60.0
# Hazards of more than this are left to the tests: they measure the network of this machine.
LARGEST_HAZARD = 2**20
WEIGHTS = {
    "good": 3,
    "dicom": 1,
    "bad": 4,
    "broken off": 2,
    "read": 3,
    "volumes": 2,
    "correct": 2,
    "delete": 1,
}
# How long the disk is full, and the database locked, at most; and when, as shares of the whole time.
DISTURBED_S = 60.0
DISK_FULL_AT, LOCKED_AT = 0.2, 0.4
# With these the server answers while it is disturbed, as promised, and for some seconds after.
EXCUSED = {"disk": (507,), "database": (503,)}
AFTER_S = 15.0


@dataclass
class Tally:
    """What clients did and saw.

    accepted : for each case that was taken whether it is wanted ; corrected : the versions added to each
    """

    counts: Counter = field(default_factory=Counter)
    accepted: dict[str, bool] = field(default_factory=dict)
    corrected: dict[str, list[int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    samples: list[tuple[float, int, int]] = field(default_factory=list)


class Soak:
    """One run."""

    def __init__(self, data_dir: Path, seconds: float, good: Parts, study: bytes, own_disk: bool):
        self.data_dir, self.seconds, self.good, self.study = data_dir, seconds, good, study
        self.own_disk, self.excused, self.left_alone = own_disk, (), False
        self.peak_bytes = 0
        self.port = _free_port()
        self.server = self._started()
        self.tally, self.lock, self.end = Tally(), threading.Lock(), threading.Event()

    def run(self) -> dict[str, Any]:
        """Return the findings."""
        clients = [threading.Thread(target=self._client, args=(n,)) for n in range(CLIENTS)]
        for thread in clients:
            thread.start()
        # A short run would else kill the server before there is anything to lose.
        until = time.monotonic() + FIRST_CASE_S
        while not self.tally.accepted and time.monotonic() < until:
            time.sleep(0.1)
        start = time.monotonic()
        dice = random.Random(0)
        disturbances = [(LOCKED_AT, "database", lambda: locked(self.data_dir / "cases.sqlite"))]
        if self.own_disk:
            disturbances.insert(0, (DISK_FULL_AT, "disk", lambda: filled(self.data_dir.parent)))
        while time.monotonic() - start < self.seconds * 2 / 3:
            time.sleep(min(dice.uniform(*KILL_EVERY_S), self.seconds / 12))
            self._note_peak()
            if disturbances and time.monotonic() - start > disturbances[0][0] * self.seconds:
                _, name, disturb = disturbances.pop(0)
                self._disturb(name, disturb)
            else:
                self._kill(dice)
        self.left_alone = True
        while time.monotonic() - start < self.seconds:
            self._sample(time.monotonic() - start)
            time.sleep(min(5.0, self.seconds / 20))
        self.end.set()
        for thread in clients:
            thread.join()
        return self._findings()

    def _disturb(self, name: str, disturb: Callable[[], AbstractContextManager]) -> None:
        self.tally.counts[f"server: {name}"] += 1
        self.excused = EXCUSED[name]
        with disturb():
            time.sleep(min(DISTURBED_S, self.seconds / 10))
        self._note_peak()
        time.sleep(min(AFTER_S, self.seconds / 20))
        self.excused = ()

    def _note_peak(self) -> None:
        with contextlib.suppress(OSError, IndexError):
            status = Path(f"/proc/{self.server.worker}/status").read_text()
            self.peak_bytes = max(self.peak_bytes, int(status.split("VmHWM:")[1].split()[0]) * 1024)

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
        self._upload("good", form(self.good))

    def _dicom(self, dice: random.Random) -> None:
        # A case that is prepared takes a gigabyte for some seconds, which would hide what grows.
        if self.left_alone:
            return
        listed = self.server.json("/api/cases?per_page=100")["cases"]
        if sum(case["state"] in ("queued", "running") for case in listed) < MOST_WAITING:
            self._upload("dicom", form([("files", "study.zip", self.study)]))

    def _upload(self, action: str, sent: tuple[bytes, str]) -> None:
        status, answer = self.server.upload(sent)
        if status == 202:
            with self.lock:
                self.tally.accepted[answer["id"]] = True
            self._count(f"{action}: accepted")
        elif self._is_fault(action, status):
            self._fault(f"{action}: {status} {answer}")

    def _is_fault(self, action: str, status: int) -> bool:
        """Say whether an error is one that no disturbance excuses; the others are counted."""
        if status in self.excused:
            self._count(f"{action}: told to come back")
            return False
        return True

    def _bad(self, dice: random.Random) -> None:
        name = dice.choice(
            [n for n, (parts, _) in HAZARDS.items() if _size(parts) < LARGEST_HAZARD]
        )
        parts, code = HAZARDS[name]
        status, answer = self.server.upload(form(parts, prepare="never"))
        found = answer.get("error", {}).get("code")
        if not self._is_fault("bad", status):
            return
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
            self._get("read", f"{case['url']}/segmentation.nii.gz", is_whole)
            self._get("read", f"{case['url']}/segmentation.dcm", is_dicom)
        self._count("read: five cases")

    def _volumes(self, dice: random.Random) -> None:
        for case in self.server.json("/api/cases?per_page=2")["cases"]:
            for modality in MODALITIES:
                self._get("volumes", f"{case['url']}/volumes/{modality}.nii.gz", is_whole)
        self._count("volumes: two cases")

    def _get(self, action: str, address: str, is_whole: Callable[[bytes], bool]) -> bytes | None:
        """Return a download; None where there is none. What is there has to be whole."""
        status, _, body = self.server.request("GET", address)
        if status == 200:
            if is_whole(body):
                return body
            self._fault(f"{action}: half of {address}")
        elif status not in (404, 409) and self._is_fault(action, status):
            self._fault(f"{action}: {status} {body[:300]!r}")
        return None

    def _correct(self, dice: random.Random) -> None:
        done = [c for c in self.server.json("/api/cases")["cases"] if c["state"] == "done"]
        if not done:
            return
        case = dice.choice(done)
        mask = self._get("correct", f"{case['url']}/segmentation.nii.gz", is_whole)
        if mask is None:
            return
        sent = form([("mask", "mask.nii.gz", changed(mask, dice))])
        status, _, body = self.server.request(
            "POST", f"{case['url']}/masks", sent[0], Content_Type=sent[1]
        )
        if status == 201:
            with self.lock:
                versions = self.tally.corrected.setdefault(case["id"], [])
                versions.append(json.loads(body)["number"])
            self._count("correct: accepted")
        elif status not in (404, 422) and self._is_fault("correct", status):
            self._fault(f"correct: {status} {body[:300]!r}")

    def _delete(self, dice: random.Random) -> None:
        done = [c for c in self.server.json("/api/cases")["cases"] if c["state"] == "done"]
        if not done:
            return
        case_id = dice.choice(done)["id"]
        with self.lock:
            self.tally.accepted[case_id] = False
        status, _, _ = self.server.request("DELETE", f"/api/cases/{case_id}")
        # A disk that is full is no excuse: deleting is what helps.
        if status not in (204, 404) and (status == 507 or self._is_fault("delete", status)):
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
        self._note_peak()
        codes = [c["error"]["code"] for c in listed.values() if c["state"] == "failed"]
        there = {case_id: self._versions(case_id) for case_id in self.tally.corrected}
        folders = {path.name for path in (self.data_dir / "cases").iterdir()}
        return {
            "accepted": len(self.tally.accepted),
            "lost": [case_id for case_id in wanted if case_id not in listed],
            "unfinished": [i for i, c in listed.items() if c["state"] not in ("done", "failed")],
            "corrections lost": [
                f"{case_id} {number}"
                for case_id, numbers in self.tally.corrected.items()
                for number in numbers
                if there[case_id] and number not in there[case_id]
            ],
            "failed": [code for code in codes if code not in AS_PROMISED],
            "failed as promised": sum(code in AS_PROMISED for code in codes),
            "corrections": sum(map(len, self.tally.corrected.values())),
            "peak": self.peak_bytes,
            "done": sum(case["state"] == "done" for case in listed.values()),
            "folders without case": sorted(folders - set(listed)),
            "cases without folder": sorted(set(listed) - folders),
            "left in staging": len(list((self.data_dir / "staging").iterdir())),
            "faults": self.tally.faults,
            "counts": dict(sorted(self.tally.counts.items())),
            "samples": self.tally.samples,
        }

    def _versions(self, case_id: str) -> set[int]:
        """Return the numbers of a case's masks; none of a case that was deleted."""
        status, _, body = self.server.request("GET", f"/api/cases/{case_id}/masks")
        return {mask["number"] for mask in json.loads(body)["masks"]} if status == 200 else set()

    def _all_cases(self) -> dict[str, Any]:
        found, page = {}, 1
        while True:
            answer = self.server.json(f"/api/cases?per_page=100&page={page}")
            found |= {case["id"]: case for case in answer["cases"]}
            if page >= answer["pages"]:
                return found
            page += 1


def _size(parts: Parts) -> int:
    return sum(len(content) for _, _, content in parts)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def run(seconds: float) -> dict[str, Any]:
    """Soak a new server for some seconds; return the findings."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_case(Path(folder, "scans"), small_case()[0])
        good = [(key, paths[key].name, paths[key].read_bytes()) for key in MODALITIES]
        study = zipped_study(Path(folder))
        with own_disk(Path(folder, "disk")) as is_own:
            soak = Soak(Path(folder, "disk", "data"), seconds, good, study, is_own)
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
