"""Imports within `training` point down: commands, reports, scoring, networks, data, settings."""

import ast
from pathlib import Path

import pytest

TRAINING = Path(__file__).parents[2] / "training"
# From the top down; a module may import from its own layer and those below.
LAYERS = ("commands", "reports", "scoring", "networks", "data", "settings")
SETTINGS = ("settings", "experiments")
MODULES = [path for path in sorted(TRAINING.rglob("*.py")) if path.name != "__init__.py"]


def layer_of(parts: tuple[str, ...]) -> int:
    """Return the place in LAYERS of a module, given by its names below `training`."""
    first, *_ = parts
    layer = "settings" if first in SETTINGS else first if first in LAYERS else "commands"
    return LAYERS.index(layer)


def imported(path: Path) -> set[tuple[str, ...]]:
    """Return the modules of `training` that a file imports, by their names below it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    below = {tuple(name.split(".")[1:]) for name in names if name.startswith("training.")}
    return {parts for parts in below if parts}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(TRAINING)))
def test_no_module_imports_from_a_layer_above(path):
    own = layer_of(path.relative_to(TRAINING).with_suffix("").parts)
    assert {parts for parts in imported(path) if layer_of(parts) < own} == set()
