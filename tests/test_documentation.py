"""Documents keep up with the code."""

import re
from pathlib import Path

from app.config import settings_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_readme_lists_every_setting():
    table = re.search(r"<!-- settings -->\n(.*?)<!-- /settings -->", README, re.DOTALL)[1]
    assert table.strip() == settings_table().strip()


def test_readme_lists_every_code_of_the_scan_checks():
    sources = [path.read_text() for path in (ROOT / "model").glob("*.py")]
    codes = {code for text in sources for code in re.findall(r'CaseError\(\s*"([a-z_]+)"', text)}
    assert codes
    assert codes <= set(re.findall(r"`([a-z_]+)`", README))


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
