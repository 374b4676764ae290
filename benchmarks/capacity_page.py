"""What was measured of a scaled-out service, and what follows for many cases a day, as a page."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from app.config import Settings

CASES_A_DAY = 100_000
DAY_S = 86_400
# How long readers ask for each kind of page.
READ_S = 5


@dataclass(frozen=True)
class Latency:
    """How long readers waited for pages of a kind, in ms, and how many pages a second they got."""

    what: str
    p50_ms: float
    p99_ms: float
    per_s: float

    def row(self) -> str:
        return f"{self.p50_ms:.0f} | {self.p99_ms:.0f} | {self.per_s:.0f}"


@dataclass(frozen=True)
class Capacity:
    """What one of each part does.

    rates : cases an hour by number of workers; latencies : of readers meanwhile
    case_bytes, upload_bytes : what a case takes on the disk, and on its way to the server
    upload_s : from sending a case to the answer; message_s, row_s : what a case costs broker and
    database; disk_bytes_s : how fast the disk writes
    """

    rates: dict[int, float]
    latencies: dict[int, list[Latency]]
    case_bytes: float
    upload_bytes: float
    upload_s: float
    message_s: float
    row_s: float
    disk_bytes_s: float

    def limits(self) -> Iterator[tuple[str, str, float]]:
        """Yield each part, what one of it is, and how many cases a day that carries."""
        yield "workers", "a machine like this one, with one worker", 24 * self.rates[1]
        yield "web", "one process, which checks one upload at a time", DAY_S / self.upload_s
        yield "storage, writing", "this disk", DAY_S * self.disk_bytes_s / self.case_bytes
        yield "database", "one connection", DAY_S / self.row_s
        yield "broker", "one connection", DAY_S / self.message_s


def as_markdown(found: Capacity, machine: list[str], load: float, broker: str) -> str:
    """Return the page.

    machine : lines that describe it; load : what else it had to do at the start
    """
    rates = "\n".join(f"| {n} | {rate:.0f} |" for n, rate in found.rates.items())
    pages = zip(*found.latencies.values(), strict=True)
    latencies = "\n".join(
        f"| {kinds[0].what} | " + " | ".join(kind.row() for kind in kinds) + " |" for kinds in pages
    )
    limits = sorted(found.limits(), key=lambda limit: limit[2])
    parts = "\n".join(
        f"| {part} | {one} | {day:,.0f} | {_percent(CASES_A_DAY / day)} | "
        f"{math.ceil(CASES_A_DAY / day):,} |"
        for part, one, day in limits
    )
    described = "\n".join(f"- {line}" for line in machine)
    per_s = CASES_A_DAY / DAY_S
    queued = Settings.model_fields["max_queued"].default
    return f"""# Capacity

Written by `make capacity`; do not edit by hand. How to run several processes is in
[scaling.md](scaling.md).

{described}
- other work at the start: a load of {load:.1f}
- cases of 240 x 240 x 155 voxels; broker, PostgreSQL, two web processes, workers of one thread each
  and the client all on this machine

## Workers

| workers | cases an hour |
|---|---|
{rates}

Two workers did {found.rates[2] / found.rates[1]:.2f} times what one did. They share this machine's cores with each
other and with everything else that was measured: that says nothing of two machines, for or against.

## Pages while workers are busy

Two readers that ask without a pause (`wrk`), each page for {READ_S} s; times in ms:

| page | p50, one worker | p99 | pages a second | p50, two workers | p99 | pages a second |
|---|---|---|---|---|---|---|
{latencies}

## Each part alone

| what | measured |
|---|---|
| upload of a case, from sending it to the answer | {found.upload_s:.2f} s |
| size of the upload | {found.upload_bytes / 1e6:.1f} MB |
| a case on the disk, scans and results | {found.case_bytes / 1e6:.1f} MB |
| disk, writing | {found.disk_bytes_s / 1e6:.0f} MB/s |
| database, all that one case writes | {1000 * found.row_s:.1f} ms |
| broker ({broker}), a message there and back | {1000 * found.message_s:.2f} ms |

## {CASES_A_DAY:,} cases a day

That is {per_s:.2f} a second, evenly spread, {per_s * found.upload_bytes * 8 / 1e6:.0f} Mbit/s of uploads and
{CASES_A_DAY * found.case_bytes / 1e12:.2f} TB a day on the disk until `BTS_RETENTION_HOURS` deletes them.
From the rates above, in the order in which the parts are full:

| part | one of it | carries, cases a day | used at {CASES_A_DAY:,} | needed |
|---|---|---|---|---|
{parts}

*Needed* counts machines like this one, with a worker each, and processes, disks and connections like those
measured. This is arithmetic, not an experiment: it takes for granted that more of a part does as many
times as much, which nobody has tried on several machines. What is measured of web, database and broker
is one client that waits for each answer; several at once get more out of them. A day has peaks: plan for
the busiest hour.

`BTS_MAX_QUEUED`, {queued:,} unless set, is {queued / per_s / 60:.1f} minutes of backlog at that rate; then uploads are asked to
come later. Raise it, in the web processes, to what may come while workers are away or behind: an hour
is {3600 * per_s:,.0f} cases, with their results {3600 * per_s * found.case_bytes / 1e9:,.0f} GB.

GPU: not measured, as there is none on this machine. A worker on a GPU does the work of as many of
these as its cases an hour (`bts_case_seconds` of `/metrics`) are more than {found.rates[1]:.0f}; the
other parts do not change.
"""


def _percent(share: float) -> str:
    return f"{100 * share:,.0f} %" if share >= 0.01 else "under 1 %"
