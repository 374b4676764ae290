"""Documents keep up with the code."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import app.errors
from app.config import settings_table
from app.errors import RequestError
from app.web.error_handlers import status_of
from benchmarks.capacity_page import Capacity, Latency, as_markdown
from model.errors import CaseError

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
ERRORS = (ROOT / "docs" / "errors.md").read_text()
REQUEST_ERRORS = {
    name: kind
    for name, kind in vars(app.errors).items()
    if inspect.isclass(kind) and issubclass(kind, RequestError)
}


def calls(*folders: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield all calls in the modules of folders, with the name of what is called."""
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield getattr(node.func, "attr", getattr(node.func, "id", "")), node


def literal(nodes: list[ast.expr]) -> set[str]:
    return {node.value for node in nodes if isinstance(node, ast.Constant)}


def codes_of_cases() -> set[str]:
    """Codes of CaseError, the first argument."""
    found = (node.args[:1] for name, node in calls("app", "model") if name == "CaseError")
    return set().union(*map(literal, found))


def codes_of_requests() -> dict[str, int]:
    """Codes of RequestError with their status: of the classes, and given as the third argument."""
    named = (kind for kind in REQUEST_ERRORS.values() if "code" in vars(kind))
    found = {kind.code: kind.status for kind in named}
    for name, node in calls("app"):
        if name in REQUEST_ERRORS:
            given = [*node.args[2:3], *(word.value for word in node.keywords if word.arg == "code")]
            found |= dict.fromkeys(literal(given), REQUEST_ERRORS[name].status)
    return found


def codes_in_answers() -> set[str]:
    """Codes that are written into an answer as they are, such as those of failed cases."""
    texts = (path.read_text() for path in (ROOT / "app").rglob("*.py"))
    return {code for text in texts for code in re.findall(r'"code": "([a-z_]+)"', text)}


def documented(page: str) -> set[str]:
    return set(re.findall(r"`([a-z_]+)`", page))


def documented_statuses() -> dict[str, set[int]]:
    """Statuses by code, as the tables of errors.md have them."""
    found: dict[str, set[int]] = {}
    for codes, status in re.findall(r"^\| ((?:`[a-z_]+` ?)+) \| (\d{3}) \|", ERRORS, re.MULTILINE):
        for code in documented(codes):
            found.setdefault(code, set()).add(int(status))
    return found


def test_every_setting_is_documented():
    page = (ROOT / "docs" / "settings.md").read_text()
    table = re.search(r"<!-- settings -->\n(.*?)<!-- /settings -->", page, re.DOTALL)[1]
    assert table.strip() == settings_table().strip()


def test_every_code_is_documented():
    codes = codes_of_cases() | codes_of_requests().keys() | codes_in_answers()
    assert len(codes) > 50
    assert {"bad_affine", "zip_link", "mask_values", "two_cases", "took_too_long"} <= codes
    assert sorted(codes - documented(ERRORS)) == []


def test_every_documented_status_is_that_of_the_code():
    known = {code: status_of(CaseError(code, "")) for code in codes_of_cases()}
    # The last two are answered without an exception of ours.
    known |= codes_of_requests() | {"internal_error": 500, "method_not_allowed": 405}
    statuses = documented_statuses()
    assert len(statuses) > 40
    assert statuses == {code: {known[code]} for code in statuses}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_readme_links_to_every_page():
    readme = (ROOT / "README.md").read_text()
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert len(pages) > 8
    beyond = {path.name for path in DOCUMENTS if path.parent == ROOT} - {"README.md"}
    linked = set(re.findall(r"\]\(([^)#:\s]+)\)", readme))
    reached = linked | {
        f"docs/{link}"
        for page in linked & pages
        for link in re.findall(r"\]\(([a-z-]+\.md)\)", (ROOT / page).read_text())
    }
    assert beyond <= linked
    assert pages <= reached


def test_files_of_the_contract_are_there():
    for name in (
        "Dockerfile",
        "requirements.txt",
        "uv.lock",
        "Makefile",
        "MODEL_CARD.md",
        "LICENSE",
    ):
        assert (ROOT / name).is_file(), name


def test_the_capacity_page_says_what_its_numbers_mean():
    waits = [Latency("worklist", 10, 20, 150)]
    found = Capacity(
        rates={1: 1500.0, 2: 1600.0},
        latencies={1: waits, 2: waits},
        case_bytes=64e6,
        upload_bytes=10e6,
        upload_s=0.2,
        message_s=0.001,
        row_s=0.03,
        disk_bytes_s=1e9,
    )
    page = " ".join(as_markdown(found, ["a machine"], 0.1, "redis").split())
    assert "| workers | a machine like this one, with one worker | 36,000 | 278 % | 3 |" in page
    assert "says nothing of two machines" in page
    assert "`BTS_MAX_QUEUED`, 200 unless set, is 2.9 minutes of backlog" in page
