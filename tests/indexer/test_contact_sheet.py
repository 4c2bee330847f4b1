"""Contact sheets: one page that holds everything and believes nothing it is told."""

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from doubles.html_page import Page
from topicidx.indexer.contact_sheet import THUMBNAIL_SIZE, Sheet, write_contact_sheet
from topicidx.indexer.results import Hit, SearchResult

Paint = Callable[..., Path]
EVIL = "<script>alert('x')</script>\"'&"


def hit(
    path: Path | None, *, rank: int = 1, name: str = "photos/a.jpg", caption: str | None = None, city: str = ""
) -> Hit:
    captions = () if caption is None else (caption, "a second caption")
    return Hit(rank, 2.345, "an-id", name, city or None, captions, path, {"city_label": city or None})


def write(path: Path, *sheets: Sheet, title: str = "Title", introduction: tuple[str, ...] = ("a line",)) -> Page:
    write_contact_sheet(path, title, introduction, sheets)
    return Page(path.read_text(encoding="utf-8"))


def test_a_page_holds_its_pictures_inside_it(tmp_path: Path, paint: Paint) -> None:
    large = paint(tmp_path / "a.jpg", (200, 30, 30), (900, 600))
    small = paint(tmp_path / "b.png", (30, 30, 200), (20, 10))
    result = SearchResult("beach", (hit(large, caption="a beach", city="London"), hit(small, rank=2)))
    page = write(tmp_path / "sheet.html", Sheet(result, "a note"))
    assert "Title a line beach a note" in page.text
    assert "1. 2.35 · London a beach photos/a.jpg" in page.text
    images = page.named("img")
    sizes = []
    for image in images:
        kind, data = str(image["src"]).split(",")
        assert kind == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as thumbnail:
            sizes.append(thumbnail.size)
    assert sizes == [(THUMBNAIL_SIZE, round(THUMBNAIL_SIZE * 2 / 3)), (20, 10)]
    assert [image["alt"] for image in images] == ["a beach", "photos/a.jpg"]


def test_a_page_needs_nothing_from_elsewhere(tmp_path: Path, paint: Paint) -> None:
    write(tmp_path / "sheet.html", Sheet(SearchResult("beach", (hit(paint(tmp_path / "a.jpg")),))))
    html = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    assert re.findall(r"(?:src|href)=\"(?!data:)|https?://|url\(|@import|<link", html) == []
    assert str(tmp_path) not in html


def test_names_captions_and_queries_are_text_and_never_code(tmp_path: Path, paint: Paint) -> None:
    hits = (
        hit(paint(tmp_path / "a.jpg"), name=EVIL, caption=EVIL, city=EVIL),
        hit(None, rank=2, name=EVIL),
    )
    page = write(tmp_path / "sheet.html", Sheet(SearchResult(EVIL, hits), EVIL), title=EVIL, introduction=(EVIL,))
    assert page.named("script") == []
    assert page.text.count(EVIL) >= 8
    assert page.named("img")[0]["alt"] == EVIL
    assert {name for attributes in page.named("img") for name in attributes} == {"src", "alt", "loading"}


@pytest.mark.parametrize("kind", ["no source", "gone", "not a picture", "a folder"])
def test_a_picture_that_cannot_be_shown_is_said_to_be_missing(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.jpg"
    if kind == "not a picture":
        path.write_text("a letter")
    elif kind == "a folder":
        path.mkdir()
    page = write(tmp_path / "sheet.html", Sheet(SearchResult("beach", (hit(None if kind == "no source" else path),))))
    assert page.named("img") == []
    assert "picture not found" in page.text
    assert "photos/a.jpg" in page.text


def test_right_and_wrong_pictures_are_marked_where_it_is_known(tmp_path: Path) -> None:
    hits = (hit(None, name="photos/a.jpg"), hit(None, rank=2, name="photos/b.jpg"))
    known = Sheet(SearchResult("beach", hits), right=frozenset({"photos/b.jpg"}))
    page = write(tmp_path / "sheet.html", known)
    marks = [attributes["class"] for attributes in page.named("span") if attributes["class"] in ("right", "wrong")]
    assert marks == ["wrong", "right"]
    unknown = write(tmp_path / "sheet.html", Sheet(SearchResult("beach", hits)))
    assert {"right", "wrong"}.isdisjoint(str(attributes.get("class")) for attributes in unknown.named("span"))


def test_a_page_without_results_is_a_page(tmp_path: Path) -> None:
    page = write(tmp_path / "sheet.html", Sheet(SearchResult("beach", ())), introduction=())
    assert page.named("li") == []
    assert "Title beach" in page.text
