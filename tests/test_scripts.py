"""What scripts of the pages compute, tested by Node's own test runner: `tests/static` mirrors `static/js`."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = sorted((ROOT / "tests/static").rglob("*.test.js"))
# `make test` sets it where no Node.js is on the path.
NODE = shlex.split(os.environ.get("NODE") or shutil.which("node") or "")


@pytest.mark.skipif(not NODE, reason="no Node.js on this machine")
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name.removesuffix(".test.js"))
def test_script(path: Path):
    command = [*NODE, "--test", "--test-reporter=tap", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    # A file without a test would pass, too: its own line says `1..1` alone.
    assert "# Subtest: " in done.stdout and "# pass 0" not in done.stdout


def test_every_test_file_tests_a_script():
    for path in TESTS:
        script = ROOT / "static/js" / path.relative_to(ROOT / "tests/static").parent
        assert (script / path.name.replace(".test.js", ".js")).is_file(), path
