"""The files of the page: small, complete in themselves, and nothing in them that a strict policy would refuse."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from doubles.html_page import Page

STATIC = Path(str(files("topicidx.service").joinpath("static")))
SCRIPTS = sorted(STATIC.glob("*.js"))


def test_the_page_is_small() -> None:
    gallery = [path for path in STATIC.iterdir() if not path.name.startswith("map")]
    assert sum(path.stat().st_size for path in gallery) < 100_000


def test_the_page_takes_everything_from_the_server_and_has_no_script_or_style_of_its_own() -> None:
    page = Page((STATIC / "index.html").read_text(encoding="utf-8"))
    addresses = [value for _, tag in page.tags for name, value in tag.items() if name in {"src", "href"} and value]
    assert all(re.match(r"(static/|\./|#)", address) for address in addresses)
    assert {address.removeprefix("static/") for address in addresses if address.startswith("static/")} <= {
        path.name for path in STATIC.iterdir()
    }
    assert all("src" in tag for tag in page.named("script"))
    assert page.named("style") == []
    assert [name for _, tag in page.tags for name in tag if name == "style" or name.startswith("on")] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_html_of_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|https?:", text
    )
    assert re.match(r"// [A-Z]", text)
    assert {found.removeprefix("./") for found in re.findall(r'from "([^"]+)"', text)} <= {
        script.name for script in SCRIPTS
    }
