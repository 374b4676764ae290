"""Imports point one way: each room may use the rooms that stand after it, never one before it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the outside in. Modules of one line may use each other.
ROOMS = {
    "app": (
        ("app",),
        ("app.web",),
        ("app.commands",),
        ("app.dicom_node",),
        ("app.jobs",),
        ("app.reporting",),
        ("app.store",),
        ("app.intake",),
        ("app.analysis",),
        # What every room may use.
        (
            *("app.audit", "app.identity", "app.errors", "app.logs", "app.memory"),
            *("app.config", "app.config_access", "app.config_dicom"),
        ),
        ("model",),
    ),
    "model": (
        ("model.inference", "model.preparation"),
        ("model.warnings", "model.plausibility", "model.phantom"),
        ("model.card",),
        (
            *("model.preprocess", "model.postprocess", "model.probabilities"),
            *("model.small_lesions", "model.quality"),
        ),
        ("model.io",),
        (
            *("model.geometry", "model.labels", "model.planes", "model.networks"),
            *("model.errors", "model.version", "model.components"),
        ),
    ),
    "training": (
        ("training",),
        ("training.reports",),
        ("training.scoring",),
        ("training.networks",),
        ("training.data",),
        ("training.settings", "training.experiments"),
        ("model",),
    ),
}
# Packages that the modules of a package must not import at all.
FOREIGN = {"model": ("app", "training", "flask"), "training": ("app", "flask")}
# Rooms in which nothing knows Flask or the database.
PURE = ("app.analysis", "app.intake")
WEB_PAGES = ("pages", "case_page", "report_page", "comparison_page", "preparation_page")


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(package: str) -> dict[str, Path]:
    return {module_of(path): path for path in sorted((ROOT / package).rglob("*.py"))}


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                is_module = (ROOT / name.replace(".", "/")).with_suffix(".py").is_file()
                is_package = (ROOT / name.replace(".", "/") / "__init__.py").is_file()
                yield name if is_module or is_package else node.module


def is_in(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def level_of(module: str, levels: tuple[tuple[str, ...], ...]) -> int | None:
    """Return the line of the table that a module stands in: that of the longest name that fits."""
    fitting = [
        (len(room), level)
        for level, rooms in enumerate(levels)
        for room in rooms
        if is_in(module, room)
    ]
    return max(fitting)[1] if fitting else None


@pytest.mark.parametrize("package", ROOMS)
def test_imports_point_one_way(package):
    levels, wrong = ROOMS[package], []
    own = modules(package)
    assert len(own) > 15
    for module, path in own.items():
        level = level_of(module, levels)
        for imported in set(imports(path)):
            wanted = level_of(imported, levels)
            if wanted is not None and wanted < level:
                wrong.append(f"{module} -> {imported}")
            if any(is_in(imported, foreign) for foreign in FOREIGN.get(package, ())):
                wrong.append(f"{module} -> {imported}")
    assert wrong == []


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_know_neither_flask_nor_the_database(room):
    for module, path in modules(room.replace(".", "/")).items():
        found = {name.partition(".")[0] for name in imports(path)}
        assert not found & {"flask", "sqlalchemy", "flask_sqlalchemy"}, module


def test_pages_and_rest_meet_in_modules_of_their_own():
    for module, path in modules("app/web").items():
        name = module.rpartition(".")[2]
        if name in WEB_PAGES or name.startswith("api_"):
            others = {found.rpartition(".")[2] for found in imports(path)} - {name}
            borrowed = {found for found in others if found.startswith("api_")}
            assert not borrowed, f"{module} -> {borrowed}"


def test_file_names_of_a_case_are_known_to_one_module():
    for module, path in modules("app").items():
        if module != "app.store.results":
            text = path.read_text()
            assert '"segmentation.nii.gz"' not in text and ".npy" not in text, module


def test_rooms_not_a_corridor():
    beside = [path for path in (ROOT / "app").iterdir() if path.suffix == ".py"]
    assert len(beside) <= 10


@pytest.mark.parametrize("package", ["app", "model", "training"])
def test_modules_and_functions_are_short(package):
    lengths = []
    for module, path in modules(package).items():
        text = path.read_text()
        assert text.count("\n") <= 300, module
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lengths.append(node.end_lineno - node.lineno + 1)
    lengths.sort()
    assert lengths[int(0.9 * len(lengths))] <= 25
    assert lengths[-1] <= 65
