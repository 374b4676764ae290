"""What the soak found, as a page."""

from typing import Any


def passed(findings: dict[str, Any]) -> bool:
    """Say whether nothing was lost, half done, left over or answered wrongly."""
    empty = (
        "lost",
        "unfinished",
        "failed",
        "faults",
        "folders without case",
        "cases without folder",
    )
    return not any(findings[name] for name in empty) and not findings["left in staging"]


def as_markdown(findings: dict[str, Any], seconds: float, clients: int) -> str:
    """Return the findings as a page."""
    counts = "\n".join(f"| {what} | {count} |" for what, count in findings["counts"].items())
    lists = (
        "lost",
        "unfinished",
        "failed",
        "folders without case",
        "cases without folder",
        "faults",
    )
    rows = "\n".join(f"| {name} | {len(findings[name])} |" for name in lists)
    samples = findings["samples"]
    usage = "\n".join(
        f"| {at:.0f} | {rss / 2**20:.0f} | {files} |"
        for at, rss, files in samples[:: max(1, len(samples) // 12)]
    )
    return f"""# Soak

{seconds:.0f} s of {clients} clients on 127.0.0.1, as `make soak` runs it: {"passed" if passed(findings) else "FAILED"}.
The server was killed at random in the first two thirds, and left alone in the last.

| what clients did, and the server suffered | times |
|---|---|
{counts}

| at the end | number |
|---|---|
| cases accepted | {findings["accepted"]} |
| cases there, done | {findings["done"]} |
{rows}
| left in staging | {findings["left in staging"]} |

The worker in the last third:

| s | memory, MB | open files |
|---|---|---|
{usage}
"""
