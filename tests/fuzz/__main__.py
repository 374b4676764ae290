"""Fuzz one target for some seconds: `python -m tests.fuzz read 60` (`make fuzz`)."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["app.intake", "model", "pydicom.filereader"]):
    from tests.fuzz.targets import TARGETS, seeds


def main(target: str, seconds: str) -> None:
    with tempfile.TemporaryDirectory() as corpus:
        for number, content in enumerate(seeds(target)):
            Path(corpus, str(number)).write_bytes(content)
        # A gigabyte: inputs are small, and so is what may come of them.
        options = [f"-max_total_time={seconds}", "-rss_limit_mb=1024", "-timeout=10"]
        atheris.Setup([sys.argv[0], *options, corpus], TARGETS[target])
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
