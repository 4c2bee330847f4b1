"""How the project hangs together: which package may import which, what starts light, what is installed."""

import ast
import importlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from doubles.environment import without_settings

ROOT = Path(__file__).parent.parent
#: From the bottom up: a package imports only from those before it, and from itself.
PACKAGES = {
    "core": "topicidx",
    "embedders": "topicidx.embedders",
    "indexer": "topicidx.indexer",
    "service": "topicidx.service",
    "cli": "topicidx.cli",
}
#: Modules that are imported when a query has been answered, and the packages of others that they are of.
QUERY_MODULES = 345
QUERY_PACKAGES = {"Stemmer", "cython_runtime", "numpy", "qdrant_edge", "rich", "safetensors", "topicidx"}
HEAVY = ("torch", "torchvision", "gensim", "spacy", "qdrant_client", "pandas", "sklearn")


def _modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "topicidx"}


@pytest.mark.parametrize("folder", PACKAGES)
def test_imports_point_one_way(folder: str) -> None:
    order = list(PACKAGES)
    above = [PACKAGES[name] for name in order[order.index(folder) + 1 :]]
    entry_point = ROOT / "core" / "__main__.py"  # starts the command line, and is imported by nothing
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _modules(folder)
        if path != entry_point
        for name in _imports(path)
        if any(name == package or name.startswith(package + ".") for package in above)
    ]
    assert _modules(folder)
    assert wrong == []


def test_every_package_is_installed() -> None:
    declared = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {
        ".".join([PACKAGES[folder], *path.parent.relative_to(ROOT / folder).parts])
        for folder in PACKAGES
        for path in _modules(folder)
        if path.name == "__init__.py"
    }
    assert declared == found


def test_no_folder_shadows_the_installed_package() -> None:
    assert not (ROOT / "topicidx").exists()


def test_the_engine_is_touched_in_two_modules() -> None:
    users = [
        path.relative_to(ROOT) for folder in PACKAGES for path in _modules(folder) if "qdrant_edge" in path.read_text()
    ]
    assert users == [Path("indexer/embedded/filters.py"), Path("indexer/embedded/shard.py")]


def _modules_after(arguments: list[str], cwd: Path) -> list[str]:
    """All that is imported when a command is done."""
    program = (
        "import json, sys\n"
        "from topicidx.cli import program\n"
        "def end(end):\n"
        "    assert not end.code, end.code\n"
        "    print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
        "program._end = end\n"
        "sys.argv = ['topicidx', *json.loads(sys.argv[1])]\n"
        "program.program()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(arguments)],
        cwd=cwd,
        env=without_settings(),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded: list[str] = json.loads(done.stderr.splitlines()[-1])
    assert "numpy" in loaded or "--help" in arguments  # the listing works
    return loaded


def _heavy_modules_after(arguments: list[str], cwd: Path) -> list[str]:
    loaded = {name.partition(".")[0] for name in _modules_after(arguments, cwd)}
    return [name for name in HEAVY if name in loaded]


def test_help_starts_light(tmp_path: Path) -> None:
    assert _heavy_modules_after(["--help"], tmp_path) == []


@pytest.mark.parametrize("match", ["all", "mean"])
@pytest.mark.parametrize("words", [["beach", "sunrise"], ["beach", "sunrize"]])
def test_a_query_against_an_embedded_store_starts_light(workspace: Path, match: str, words: list[str]) -> None:
    assert _heavy_modules_after(["query", *words, "--match", match], workspace) == []


@pytest.mark.parametrize("package", ["topicidx.indexer", "topicidx.indexer.sources", "topicidx.indexer.embedded"])
def test_what_a_package_exports_is_there_when_it_is_asked_for(package: str) -> None:
    module = importlib.import_module(package)
    assert {name: getattr(module, name).__name__ for name in module.__all__} == {name: name for name in module.__all__}
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        module.nonsense  # noqa: B018


def test_a_query_imports_little(workspace: Path) -> None:
    modules = _modules_after(["query", "sunrise beach"], workspace)
    packages = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names
    others = {name for name in packages if not name.startswith("_")}
    assert others <= QUERY_PACKAGES, f"new: {sorted(others - QUERY_PACKAGES)}"
    assert len(modules) <= QUERY_MODULES, f"{len(modules)} modules"
