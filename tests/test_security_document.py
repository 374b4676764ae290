"""SECURITY.md promises only what a test shows, and leaves out no hazard."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.app.web.hazards import HAZARDS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text()
ROWS = re.findall(r"^\| (.+?) \| (.+?) \| `(tests/.+?)` \|$", TEXT, re.MULTILINE)
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


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """Ids of all tests in the files that are named."""
    files = sorted({test.partition("::")[0] for _, _, test in ROWS})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *files]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert listing.returncode == 0, listing.stdout + listing.stderr
    return set(listing.stdout.splitlines())


def test_every_row_has_a_test_of_its_own(collected):
    assert len(ROWS) > 100
    tests = [test for _, _, test in ROWS]
    assert len(set(tests)) == len(tests)
    whole = collected | {test.partition("[")[0] for test in collected}
    assert [test for test in tests if test not in whole] == []


def test_every_hazard_has_a_row_with_its_code():
    answers = {hazard: answer for hazard, answer, _ in ROWS}
    for name, (_, code) in HAZARDS.items():
        assert f"`{code}`" in answers[name]


def test_every_code_of_an_error_is_documented():
    known = set(re.findall(r"`([a-z_]+)`", TEXT + (ROOT / "README.md").read_text()))
    codes = set()
    for path in [*(ROOT / "app").glob("*.py"), *(ROOT / "model").glob("*.py")]:
        text = path.read_text()
        codes |= set(re.findall(r'CaseError\(\s*"([a-z_]+)"', text))
        codes |= set(re.findall(r'^    code = "([a-z_]+)"', text, re.MULTILINE))
        codes |= set(re.findall(r'"code": "([a-z_]+)"', text))
    assert sorted(codes - known) == []


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
