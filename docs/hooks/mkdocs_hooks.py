"""What MkDocs asks while it builds the site: pages from the repository's documents, and references from the code itself."""

import json
import re
import shutil
import tempfile
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from documents import fence_blocks, relink, section
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from references import cli_reference, http_reference, openapi, settings_reference

ROOT = Path(__file__).parents[2]
#: Documents that lie outside of docs/, as pages under the same path.
OUTSIDE = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "deploy").rglob("*.md")),
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "benchmarks").glob("*.md")),
)
#: Pages that are in the navigation as soon as they are there.
OPTIONAL = ("langchain.md", "operations.md")
#: What a page asks for with a comment, `<!-- generate: NAME -->`.
GENERATED: dict[str, Callable[[], str]] = {
    "command line": cli_reference,
    "settings": settings_reference,
    "http": http_reference,
}
_GENERATE = re.compile(r"^<!-- generate: (.+?) -->$", re.MULTILINE)
#: `<!-- from README.md: HEADING -->`, or `<!-- from README.md alone: HEADING -->` without the sections below it.
_FROM = re.compile(r"^<!-- from (?P<file>\S+?)(?P<alone> alone)?: (?P<heading>.+?) -->$", re.MULTILINE)
#: A folder in which the package lies as it is installed.
_tree: Path | None = None


@event_priority(100)  # before mkdocstrings reads its paths
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave optional pages out of the navigation, and let mkdocstrings see the package under its name."""
    global _tree
    config.nav = _without_missing(config.nav)
    if _tree is None:
        _tree = Path(tempfile.mkdtemp(prefix="topicidx-docs-"))
        lay_out_package(_tree)
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [str(_tree)]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents from outside, the pictures beside them, and the description of the HTTP API."""
    for name in OUTSIDE:
        files.append(File.generated(config, name, content=(ROOT / name).read_text(encoding="utf-8")))
    for picture in sorted((ROOT / "benchmarks").glob("*.png")):
        files.append(File.generated(config, f"benchmarks/{picture.name}", abs_src_path=str(picture)))
    files.append(File.generated(config, "reference/openapi.json", content=json.dumps(openapi(), indent=1)))
    for notebook in sorted((ROOT / "examples").glob("*.ipynb")):
        files.append(File.generated(config, f"examples/{notebook.name}", abs_src_path=str(notebook)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Take in what the page asks for. What cannot be had ends the build with the page's name."""
    del config
    pages = _pages(files)
    name = page.file.src_uri
    try:
        if name in OUTSIDE:
            return relink(fence_blocks(markdown), name, name, pages, ROOT)
        markdown = relink(fence_blocks(markdown), f"docs/{name}", name, pages, ROOT)
        markdown = _FROM.sub(lambda match: _taken_in(match, name, pages), markdown)
        return _GENERATE.sub(lambda match: GENERATED[match[1]](), markdown)
    except (KeyError, OSError, ValueError) as error:
        raise PluginError(f"{name}: {error}") from error


def on_shutdown() -> None:
    """Remove the folder with the package."""
    global _tree
    if _tree is not None:
        shutil.rmtree(_tree, ignore_errors=True)
        _tree = None


def lay_out_package(folder: Path) -> None:
    """Copy the package into `folder` as it is installed: core/ as topicidx, the others below it."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    places: dict[str, str] = project["tool"]["setuptools"]["package-dir"]
    for package, place in sorted(places.items()):
        target = folder.joinpath(*package.split("."))
        shutil.copytree(ROOT / place, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)


def _taken_in(match: re.Match[str], page: str, pages: dict[str, str]) -> str:
    document = _document(match["file"])
    text = section(document, match["heading"], alone=bool(match["alone"]))
    return relink(fence_blocks(text), match["file"], page, pages, ROOT).rstrip("\n")


@cache
def _document(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _pages(files: Files) -> dict[str, str]:
    """The page, or picture, that each file of the repository is."""
    found = {name: name for name in OUTSIDE} | {"README.md": "index.md"}
    for file in files:
        in_repository = file.src_uri if file.generated_by else f"docs/{file.src_uri}"
        found.setdefault(in_repository, file.src_uri)
    return found


def _without_missing(nav: Any) -> Any:
    if isinstance(nav, list):
        return [kept for entry in nav if (kept := _without_missing(entry)) is not None]
    if isinstance(nav, dict):
        kept = {title: _without_missing(entry) for title, entry in nav.items()}
        return {title: entry for title, entry in kept.items() if entry is not None} or None
    return None if nav in OPTIONAL and not (ROOT / "docs" / nav).is_file() else nav
