"""What the soak found, as a section of benchmarks/README.md."""

import statistics
from typing import Any

from benchmarks.report import machine

# Where nothing may be found.
EMPTY = (
    *("lost", "corrections lost", "unfinished", "failed"),
    *("folders without case", "cases without folder", "faults"),
)
# A case may fail so after three attempts on a full disk or with a locked database, and says what to do.
AS_PROMISED = ("disk_full", "database_busy")
# The sum that SECURITY.md states.
MOST_BYTES = 5.3e9
# Memory and open files may differ by this share between the halves of the undisturbed time, if it was this long.
FLAT_WITHIN, LEAST_S = 0.1, 60.0


def passed(findings: dict[str, Any]) -> bool:
    """Say whether nothing was lost, half done, left over or answered wrongly, and nothing grew."""
    clean = not any(findings[name] for name in EMPTY) and not findings["left in staging"]
    return clean and findings["peak"] < MOST_BYTES and is_flat(findings["samples"])


def is_flat(samples: list[tuple[float, int, int]]) -> bool:
    """Say whether memory and open files of (seconds, bytes, files) stay what they are once warm.

    The first quarter is left to warming up. Less than LEAST_S says nothing: a server that was just killed is
    still starting.
    """
    if not samples or samples[-1][0] - samples[0][0] < LEAST_S:
        return True
    warm = samples[len(samples) // 4 :]
    half = len(warm) // 2
    for column in (1, 2):
        before, after = (
            statistics.median(sample[column] for sample in part)
            for part in (warm[:half], warm[half:])
        )
        # Three files more or less are connections of the moment.
        if after - before > max(FLAT_WITHIN * before, 3):
            return False
    return True


def as_markdown(findings: dict[str, Any], seconds: float, clients: int) -> str:
    """Return the findings as a section."""
    counts = "\n".join(f"| {what} | {count} |" for what, count in findings["counts"].items())
    rows = "\n".join(f"| {name} | {len(findings[name])} |" for name in EMPTY)
    where = "\n".join(f"- {line}" for line in machine()[::2])
    samples = findings["samples"]
    usage = "\n".join(
        f"| {at:.0f} | {rss / 2**20:.0f} | {files} |"
        for at, rss, files in samples[:: max(1, len(samples) // 12)]
    )
    return f"""## Soak

Written by `make soak`; do not edit by hand.

{where}

{seconds:.0f} s of {clients} clients on 127.0.0.1, as `make soak` runs it: {"passed" if passed(findings) else "FAILED"}.
In the first two thirds the server was killed at random, its disk full and its database locked for up to a minute each;
in the last it was left alone, with NIfTI cases only.

| what clients did, and the server suffered | times |
|---|---|
{counts}

| at the end | number |
|---|---|
| cases accepted | {findings["accepted"]} |
| cases there, done | {findings["done"]} |
| corrections accepted | {findings["corrections"]} |
| failed as promised, for a full disk or a locked database | {findings["failed as promised"]} |
{rows}
| left in staging | {findings["left in staging"]} |
| largest memory of the worker, MB | {findings["peak"] / 2**20:.0f} |

The worker in the last third:

| s | memory, MB | open files |
|---|---|---|
{usage}
"""
