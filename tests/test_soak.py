import pytest

from benchmarks import soak
from benchmarks.soak_page import as_markdown, passed


@pytest.mark.slow
def test_a_short_soak_loses_nothing():
    """`make soak` in small: clients, a kill and a look at what is left."""
    findings = soak.run(6)
    assert passed(findings), findings
    assert findings["accepted"] >= 1
    assert any(what.startswith("server: kill") for what in findings["counts"])
    assert "passed" in as_markdown(findings, 6, soak.CLIENTS)
