"""The promises of SECURITY.md and docs/hazards.md are each shown by a test."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.app.web.hazards import HAZARDS
from tests.conftest import COLLECTED
from tests.promises.page import PAGE, ROWS, as_markdown

ROOT = Path(__file__).parents[1]
# Names of calls that can turn data into code.
UNSAFE = {
    "load_model",
    "model_from_json",
    "eval",
    "exec",
    "unsafe_load",
    "enable_unsafe_deserialization",
}
UNSAFE_MODULES = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def unknown(tests: list[str], known: set[str]) -> list[str]:
    """Return those tests that are not known, neither by their id nor by that without parameters."""
    known = known | {test.partition("[")[0] for test in known}
    return [test for test in tests if test not in known]


def collect(files: set[str]) -> set[str]:
    """Return the ids of all tests in files; those that do not exist have none."""
    found = sorted(file for file in files if (ROOT / file).is_file())
    if not found:
        return set()
    options = ["--collect-only", "-q", "-o", "addopts="]
    command = [sys.executable, "-m", "pytest", *options, *found]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert listing.returncode == 0, listing.stdout + listing.stderr
    return set(listing.stdout.splitlines())


def test_every_promise_has_a_test_of_its_own(request):
    tests = [row.test for row in ROWS]
    assert len(tests) > 150
    assert len(set(tests)) == len(tests)
    missing = unknown(tests, request.config.stash[COLLECTED])
    if missing:
        # Not all files are part of this run.
        missing = unknown(missing, collect({test.partition("::")[0] for test in missing}))
    assert not missing, "tests/promises names tests that do not exist:\n" + "\n".join(missing)


def test_the_page_of_hazards_is_up_to_date():
    assert PAGE.read_text() == as_markdown(), "run `python -m tests.promises`"


def test_every_hostile_upload_is_on_the_page():
    answers = {row.hazard: row.answer for row in ROWS}
    assert len(HAZARDS) > 50
    for name, (_, code) in HAZARDS.items():
        assert f"`{code}`" in answers[name]


@pytest.mark.parametrize("package", ["app", "model"])
def test_nothing_is_deserialised_into_code(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                assert name not in UNSAFE, f"{path}:{node.lineno}"
                assert not any(word.arg == "allow_pickle" for word in node.keywords), path
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", "")}
                assert not names & UNSAFE_MODULES, f"{path}:{node.lineno}"


def test_packages_are_locked():
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    fetched = [package for package in lock["package"] if "registry" in package["source"]]
    assert len(fetched) > 50
    for package in fetched:
        for file in [
            *package.get("wheels", []),
            *([package["sdist"]] if "sdist" in package else []),
        ]:
            assert file["hash"].startswith("sha256:"), package["name"]
    assert '"integrity": "sha512-' in (ROOT / "package-lock.json").read_text()


def test_tools_that_are_fetched_are_of_one_version():
    both = (ROOT / "Makefile").read_text() + (ROOT / "Dockerfile").read_text()
    fetched = re.findall(r"pip install [^\n]*?(\S+)$|--from '(\S+)'", both, re.MULTILINE)
    assert len(fetched) == 3
    for requirement in fetched:
        assert re.fullmatch(r"[a-z-]+==\d+\.\d+\.\d+", "".join(requirement).strip('"'))
