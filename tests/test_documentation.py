"""Documents keep up with the code."""

import ast
import inspect
import re
from pathlib import Path

import app.errors
from app.config import settings_table
from app.errors import RequestError
from benchmarks.capacity_page import Capacity, Latency, as_markdown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()


def test_readme_lists_every_setting():
    table = re.search(r"<!-- settings -->\n(.*?)<!-- /settings -->", README, re.DOTALL)[1]
    assert table.strip() == settings_table().strip()


def test_readme_lists_every_code_of_the_scan_checks():
    sources = [path.read_text() for path in (ROOT / "model").glob("*.py")]
    codes = {code for text in sources for code in re.findall(r'CaseError\(\s*"([a-z_]+)"', text)}
    assert codes
    assert codes <= set(re.findall(r"`([a-z_]+)`", README))


def test_every_code_of_the_service_is_documented():
    errors = [kind for kind in vars(app.errors).values() if inspect.isclass(kind)]
    errors = {kind.__name__: kind for kind in errors if issubclass(kind, RequestError)}
    codes = {kind.code for kind in errors.values()}
    for path in (ROOT / "app").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in errors:
                # Message, hint and code.
                given = [*node.args[2:3], *(k.value for k in node.keywords if k.arg == "code")]
                codes |= {code.value for code in given}
    assert {"two_cases", "bad_parameter", "not_found"} <= codes
    assert codes <= set(re.findall(r"`([a-z_]+)`", README + SECURITY))


def test_links_in_the_readme_lead_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


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
