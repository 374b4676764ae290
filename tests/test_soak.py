import pytest

from benchmarks import report, soak
from benchmarks.soak_page import as_markdown, is_flat, passed


@pytest.mark.slow
def test_a_short_soak_loses_nothing():
    """`make soak` in small: clients, a kill and a look at what is left."""
    findings = soak.run(6)
    assert passed(findings), findings
    assert findings["accepted"] >= 1
    assert any(what.startswith("server: kill") for what in findings["counts"])
    assert "passed" in as_markdown(findings, 6, soak.CLIENTS)


def test_growth_is_noticed():
    steady = [(5.0 * t, 500_000_000 + 10_000_000 * (t % 2), 25 - t % 3) for t in range(20)]
    growing = [(t, 500_000_000 + 4_000_000 * t, files) for t, _, files in steady]
    assert is_flat(steady)
    assert not is_flat(growing)
    assert not is_flat([(t, size, 25 + t / 5) for t, size, _ in steady])
    # A server that has just been killed grows as it starts.
    assert is_flat(growing[:8])


def test_commands_keep_each_other_s_part_of_the_page(tmp_path):
    page = tmp_path / "README.md"
    report.write_section(page, "## Soak\n\nfirst\n")
    report.write(page, ["one machine"], "a case", {"Serving": []})
    report.write_section(page, "## Soak\n\nsecond\n")
    report.write_section(page, "## Native scans\n\nold\n")
    report.write_section(page, "## Native scans\n\nnew\n")
    text = page.read_text()
    assert text.count("## Soak") == 1 and "first" not in text and "old" not in text
    assert text.startswith("# Benchmarks")
    assert text.endswith("\n\n## Native scans\n\nnew\n\n## Soak\n\nsecond\n")
    report.write(page, ["another machine"], "a case", {"Serving": []})
    again = page.read_text()
    assert again == text.replace("one machine", "another machine")
