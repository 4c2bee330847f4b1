"""The documentation site: it builds without a warning, loads nothing from elsewhere, and tells of everything there is."""

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from doubles.browser import start_chromium
from doubles.documents import ROOT, hook
from topicidx.settings import Settings
from topicidx.version import __version__

pytest.importorskip("mkdocs", reason="no MkDocs: pip install 'topicidx[docs]'")
#: Attributes by which a page loads something, by element; links to follow are none.
LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "link": "href",
}


class Reader(HTMLParser):
    """What a page loads, its anchors, its links."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if (loads := LOADED.get(tag)) and found.get(loads):
            self.loaded.append(found[loads])
        self.loaded += [part.split()[0] for part in found.get("srcset", "").split(",") if part.strip()]
        if "id" in found:
            self.anchors.add(found["id"])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Reader]:
    return {page: Reader(page) for page in sorted(site.rglob("*.html"))}


def test_no_page_loads_anything_from_elsewhere(site: Path, pages: dict[Path, Reader]) -> None:
    assert len(pages) > 30
    foreign = [
        f"{page.relative_to(site)}: {address}"
        for page, reader in pages.items()
        for address in reader.loaded
        if urlsplit(address).netloc or urlsplit(address).scheme not in {"", "data"}
    ]
    for style in site.rglob("*.css"):
        named = re.findall(r"url\(\s*[\"']?([^)\"']+)|@import\s+[\"']([^\"']+)", style.read_text(encoding="utf-8"))
        addresses = [urlsplit("".join(address)) for address in named]
        foreign += [
            f"{style.name}: {address}" for address in addresses if address.scheme not in {"", "data"} or address.netloc
        ]
    assert foreign == []


def test_every_link_leads_somewhere(site: Path, pages: dict[Path, Reader]) -> None:
    """Also those within what was written in HTML, or by the code, which MkDocs does not look at."""
    broken = []
    for page, reader in pages.items():
        for link in reader.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not (parts.path or parts.fragment) or page.name == "404.html":
                continue
            target = (page.parent / parts.path).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() else target
            anchors = pages[target].anchors if target in pages else set()
            if not target.is_file() or (parts.fragment and target in pages and parts.fragment not in anchors):
                broken.append(f"{page.relative_to(site)}: {link}")
    assert broken == []


@pytest.mark.parametrize("module", ["topicidx", "topicidx.indexer", "topicidx.embedders"])
def test_every_public_name_has_an_entry(pages: dict[Path, Reader], module: str) -> None:
    anchors = set().union(*(reader.anchors for reader in pages.values()))
    names = importlib.import_module(module).__all__
    assert names
    assert [name for name in names if f"{module}.{name}" not in anchors] == []


def test_every_error_has_an_entry(pages: dict[Path, Reader]) -> None:
    errors = importlib.import_module("topicidx.errors")
    anchors = set().union(*(reader.anchors for reader in pages.values()))
    names = [name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(names) > 20
    assert [name for name in names if f"topicidx.errors.{name}" not in anchors] == []


def test_every_command_and_option_is_in_the_reference(site: Path) -> None:
    from typer.main import get_command

    from topicidx.cli.app import app

    program: Any = get_command(app)
    text = text_of(site / "reference" / "cli.html")
    for name, command in program.commands.items():
        assert f"topicidx {name}" in text
        for param in command.params:
            for option in param.opts if param.param_type_name == "option" and not param.hidden else ():
                assert option in text, f"{name} {option}"


def test_every_setting_is_in_the_reference_with_what_it_means() -> None:
    references = hook("references")
    for setting in fields(Settings):
        if isinstance(setting.type, type) and is_dataclass(setting.type):
            meanings = dict(references._comments(setting.type))
            assert [inner.name for inner in fields(setting.type) if not meanings.get(inner.name)] == [], setting.name
    written = references.settings_reference()
    assert all(
        f"| `{name}` |" in written or f"## [{name}]" in written
        for name in (setting.name for setting in fields(Settings))
    )


def test_every_endpoint_is_in_the_reference(site: Path) -> None:
    described = json.loads((site / "reference" / "openapi.json").read_text(encoding="utf-8"))
    text = text_of(site / "reference" / "http.html")
    assert "/api/search" in described["paths"]
    for path, methods in described["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in text


def test_every_page_is_in_the_navigation(site: Path, pages: dict[Path, Reader]) -> None:
    linked = {(site / link.partition("#")[0]).resolve() for link in pages[site / "index.html"].links}
    lost = [page.relative_to(site).as_posix() for page in pages if page not in linked and page.name != "404.html"]
    assert lost == ["index.html"] or lost == []


def test_the_changelog_begins_with_this_version() -> None:
    released = re.findall(r"^## \[(.+?)\] - \d{4}-\d{2}-\d{2}$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == __version__
    kinds = set(re.findall(r"^### (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.fixture
def chromium() -> Iterator[Any]:
    driver = start_chromium()
    yield driver
    driver.quit()


def test_a_page_that_is_opened_from_a_folder_can_be_searched(site: Path, chromium: Any) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    chromium.get((site / "reference" / "cli.html").as_uri())
    chromium.execute_script("document.querySelector('label[for=__search]').click()")
    box = chromium.find_element("css selector", ".md-search__input")
    WebDriverWait(chromium, 60).until(lambda _: box.is_displayed())
    box.send_keys("rollback")
    results = "return [...document.querySelectorAll('.md-search-result__link')].map(link => link.getAttribute('href'))"
    found = WebDriverWait(chromium, 60).until(lambda driver: driver.execute_script(results))
    assert any("upkeep" in link or "cli" in link for link in found)
    messages = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    asked = [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]
    assert asked
    assert [address for address in asked if urlsplit(address).scheme not in {"file", "data"}] == []
    assert [entry["message"] for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize(
    ("document", "heading", "expected"),
    [
        ("# A\n\n    make demo\n\n## B\ntext\n\n### C\nmore\n\n## D\n", "B", "text\n\n## C\nmore"),
        ("# A\n\n## B\n\n    topicidx info\n\n## C\n", "B", "    topicidx info"),
        ("# A\n\n```\n# no heading\n```\n", "A", "```\n# no heading\n```"),
    ],
)
def test_sections_are_taken_from_documents(document: str, heading: str, expected: str) -> None:
    assert hook("documents").section(document, heading) == expected


def test_a_section_that_is_gone_is_an_error() -> None:
    with pytest.raises(ValueError, match="no section 'Gone'"):
        hook("documents").section("# A\n", "Gone")


def text_of(page: Path) -> str:
    text = re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8"))
    return " ".join(text.replace("&lt;", "<").replace("&gt;", ">").replace("&para;", " ").split())
