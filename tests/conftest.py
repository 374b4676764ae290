"""What every test folder shares."""

import os
from pathlib import Path

import pytest

# Before TensorFlow is imported anywhere: no chatter about absent GPUs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Ids of all tests that were collected, of which markers may leave out some.
COLLECTED = pytest.StashKey[set[str]]()
REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    config.stash[COLLECTED] = {item.nodeid for item in items}


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real, expert-labelled cases; they are not part of the repository."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real cases are not on this machine")
    return REAL_DATA


@pytest.fixture(scope="session")
def demo_case():
    """The synthetic demo case at its full size and its labels: `(Case, (X, Y, Z) uint8)`."""
    from model.phantom import make_case

    return make_case()
