"""Kill workers of a scaled-out service, restart its web process, and count what is left.

    python -m tests.scale [--cases 40] [--brokers redis rabbitmq]

Everything runs on this machine and ends by itself. The exit code is 0 only if every case was done,
none was lost, and none was done twice.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests import services
from tests.phantoms import small_case, write_case
from tests.scale.fleet import Fleet, running

WORKERS = 2
# Redis hands the case of a killed worker to another a minute after this.
CASE_LIMIT_S = 30
LONGEST_S = 1800


def rehearse(broker: str, cases: int) -> dict[str, Any]:
    """Upload cases, kill two workers and restart the web process in between; return what is left."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scans = write_case(folder / "scans", small_case()[0])
        limits = {"case_limit_s": CASE_LIMIT_S, "disk_reserve_mb": 1}
        with running(folder, broker, WORKERS, **limits) as fleet:
            start = time.monotonic()
            accepted = [fleet.upload(scans) for _ in range(cases // 2)]
            _kill(fleet)
            fleet.restart_web()
            accepted += [fleet.upload(scans) for _ in range(cases - len(accepted))]
            fleet.until(lambda: _count(fleet, "done") >= cases // 2, LONGEST_S)
            _kill(fleet)
            fleet.until(lambda: not _count(fleet, "queued", "running"), LONGEST_S)
            return _findings(fleet, accepted) | {"seconds": time.monotonic() - start}


def _kill(fleet: Fleet) -> None:
    """Kill a worker in the middle of a case; another one takes its place, as a supervisor does it."""
    fleet.kill_busy_worker()
    fleet.add_worker()


def _count(fleet: Fleet, *states: str) -> int:
    return sum(state in states for state in fleet.states().values())


def _findings(fleet: Fleet, accepted: list[str]) -> dict[str, Any]:
    states = fleet.states()
    lines = [json.loads(line) for line in (fleet.data_dir / "audit.log").read_text().splitlines()]
    ends = Counter(
        line["case"] for line in lines if (line["what"], line["outcome"]) == ("segment", "done")
    )
    folders = {path.name for path in (fleet.data_dir / "cases").iterdir()}
    return {
        "accepted": len(accepted),
        "done": _count(fleet, "done"),
        "lost": len(set(accepted) - set(states)),
        "more rows than uploads": len(set(states) - set(accepted)),
        "done twice": sum(times > 1 for times in ends.values()),
        "folders that differ": len(folders ^ set(states)),
        "attempts": sum(number for (number,) in fleet.rows("SELECT attempts FROM cases")),
    }


def passed(findings: dict[str, Any], cases: int) -> bool:
    """Say whether all cases are done, once each; each kill costs one attempt more."""
    faults = ("lost", "more rows than uploads", "done twice", "folders that differ")
    return (
        findings["done"] == findings["accepted"] == cases
        and findings["attempts"] == cases + 2
        and not any(findings[name] for name in faults)
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.scale", description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--brokers", nargs="+", default=list(services.BROKERS))
    arguments = parser.parse_args()
    if absent := services.missing("postgresql", *arguments.brokers):
        sys.exit(f"{', '.join(absent)} is not installed; .ci/run has the packages")
    good = True
    for broker in arguments.brokers:
        findings = rehearse(broker, arguments.cases)
        good &= (fine := passed(findings, arguments.cases))
        seconds = findings.pop("seconds")
        text = ", ".join(f"{name}: {number}" for name, number in findings.items())
        rate = 3600 * findings["done"] / seconds
        print(f"{broker} with {WORKERS} workers: {'passed' if fine else 'FAILED'}; {text}")
        print(f"  {seconds:.0f} s, two kills and a restart among them: {rate:.0f} cases an hour")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
