"""The map page: marks and thumbnails, colours, cards, keys, phones, and what it says where there is nothing to show."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doubles.browser import Browser, Keys
from doubles.html_page import Page
from topicidx.indexer.index import Index
from topicidx.indexer.picture_map import PictureMap, content_of, write_picture_map

STATIC = Path(str(files("topicidx.service").joinpath("static")))


@pytest.fixture(scope="module")
def mapped(gallery: Path) -> Iterator[PictureMap]:
    """A map of the gallery's pictures, all but three, in a grid; removed again in the end."""
    with Index.open(gallery) as index:
        [block] = index.store.blocks()
        info = index.store.info()
    count = len(block) - 3
    column, row = np.divmod(np.arange(count), 12)
    found = PictureMap(
        ids=np.frombuffer(b"".join(point.bytes for point in block.ids[:count]), dtype=np.uint8).reshape(count, 16),
        places=np.stack([column / 14, row / 14], axis=1).astype(np.float32),
        contents=np.array([content_of(payload) for payload in block.payloads[:count]], dtype=np.uint64),
        topics=np.arange(count, dtype=np.int32) % 3,  # what learned for seconds may find one topic in all
        vector_space=info.vector_space,
        generation=info.generation,
        seed=0,
        made="2024-05-01T09:00:00+00:00",
    )
    file = gallery / ".topicidx" / "store" / "photos" / "map.safetensors"
    write_picture_map(file, found)
    yield found
    file.unlink()


@pytest.fixture
def page(browser: Browser, mapped: PictureMap) -> Browser:
    """The browser before the map, with its first thumbnails."""
    open_map(browser)
    return browser


def open_map(browser: Browser, address: str = "") -> None:
    browser.driver.get(f"{browser.address}map{address}")
    browser.wait("return Number(document.querySelector('#map').dataset.zoom)", "the map to be drawn")


def state(browser: Browser, name: str) -> float:
    return float(browser.run(f"return document.querySelector('#map').dataset.{name} ?? -1"))


def shown(browser: Browser) -> str:
    """The id of the picture on the card."""
    return str(
        browser.run("return document.querySelector('#card a')?.getAttribute('href')?.split('picture=')[1] ?? ''")
    )


def a_picture(browser: Browser) -> Any:
    """What moves the pointer to a picture near the middle of the map."""
    from selenium.webdriver.common.action_chains import ActionChains

    browser.run("document.querySelector('#map').focus()")
    browser.press(Keys.ARROW_RIGHT)
    left, top = browser.until(lambda: browser.run("return document.querySelector('#map').dataset.chosen"), "one").split(
        ","
    )
    browser.press(Keys.ESCAPE)
    browser.until(lambda: not shown(browser), "nothing to be chosen")
    canvas = browser.run(
        "const box = document.querySelector('#map').getBoundingClientRect(); return [box.width, box.height]"
    )
    right, down = int(left) - canvas[0] / 2, int(top) - canvas[1] / 2
    return ActionChains(browser.driver, duration=0).move_to_element_with_offset(
        browser.one("#map"), round(right), round(down)
    )


def test_where_there_is_no_map_it_says_what_to_run(browser: Browser, axe: Path, gallery: Path) -> None:
    assert not (gallery / ".topicidx" / "store" / "photos" / "map.safetensors").exists()
    browser.driver.get(f"{browser.address}map")
    assert "topicidx map" in browser.one(".notice[role=alert]").text
    assert browser.violations(axe) == []


def test_thumbnails_come_with_depth_and_go_with_distance(page: Browser, mapped: PictureMap) -> None:
    assert f"{len(mapped)} pictures. 3 more are indexed and not on it: run topicidx map" in page.one("#status").text
    page.resize(420, 400)
    page.until(lambda: state(page, "marks") > len(mapped) / 2, "marks from afar")
    for _ in range(4):
        page.click("#zoom-in")
    page.until(lambda: state(page, "room") > 0 and state(page, "thumbnails") == state(page, "room"), "thumbnails")
    assert state(page, "zoom") == pytest.approx(1.6**4, rel=0.01)
    asked = {address for address in page.requests() if "/thumbnail?size=" in address}
    assert asked
    page.click("#zoom-fit")
    page.until(lambda: state(page, "zoom") == 1, "the whole map")


def test_it_is_coloured_by_city_or_topic_and_one_can_be_picked_out(page: Browser) -> None:
    cities = page.texts("#groups .name")
    assert {"London", "New York"} & set(cities)
    page.run("document.querySelector('#by-topic').click()")
    topics = page.texts("#groups .name")
    assert topics != cities
    page.click("#groups li:nth-child(2) button")
    assert page.all("#groups [aria-pressed=true]")[0].find_element("css selector", ".name").text == topics[1]
    assert page.one("#status").text.startswith(topics[1])
    page.until(lambda: "only=" in page.driver.current_url and "by=topic" in page.driver.current_url, "the address")
    page.driver.refresh()
    page.wait("return document.querySelector('#groups [aria-pressed=true]')", "the same choice")
    page.click("#groups [aria-pressed=true]")
    assert not page.all("#groups [aria-pressed=true]")


def test_what_is_pointed_at_is_told_and_a_click_opens_it_in_the_gallery(page: Browser, mapped: PictureMap) -> None:
    point = a_picture(page)
    point.perform()
    page.until(lambda: page.one("#card .map-caption").text not in {"", "…"}, "the caption")
    wanted = shown(page)
    assert wanted.replace("-", "") in {row.tobytes().hex() for row in mapped.ids}
    before = state(page, "zoom")
    point.click().perform()
    page.one("#detail[open] .bars, #detail[open] .facts")
    assert f"picture={wanted}" in page.driver.current_url
    page.driver.back()
    page.wait("return document.querySelector('#map')?.dataset.zoom", "the map again")
    assert state(page, "zoom") == pytest.approx(before, rel=0.01)
    assert shown(page) == wanted


def test_everything_can_be_done_with_keys(page: Browser) -> None:
    for _ in range(12):
        page.press(Keys.TAB)
        if page.focused.get_attribute("id") == "map":
            break
    assert page.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press(Keys.ARROW_RIGHT)
    first = page.until(lambda: shown(page), "a picture")
    page.press(Keys.ARROW_RIGHT)
    page.until(lambda: shown(page) not in {"", first}, "the next one")
    page.press(Keys.ARROW_LEFT)
    page.until(lambda: shown(page) == first, "the one before")
    zoom = state(page, "zoom")
    page.press("+")
    page.until(lambda: state(page, "zoom") > zoom, "it to be closer")
    page.press("0")
    page.until(lambda: state(page, "zoom") == 1, "the whole map")
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.one("#map").get_attribute("hidden") and shown(page) == "", "nothing to be chosen")
    page.press(Keys.ARROW_DOWN, Keys.ENTER)
    page.one("#detail[open]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True])
def test_axe_finds_nothing_wrong_and_a_phone_shows_all(
    browser: Browser, mapped: PictureMap, axe: Path, tmp_path: Path, scheme: str, phone: bool
) -> None:
    browser.scheme(scheme)
    if phone:
        browser.resize(360, 740, phone=True)
    open_map(browser)
    browser.run(
        "document.querySelectorAll('details').forEach(one => one.open = true); document.querySelector('#map').focus()"
    )
    browser.press(Keys.ARROW_DOWN)
    browser.until(lambda: browser.one("#card .map-caption").text not in {"", "…"}, "the caption")
    browser.until(lambda: state(browser, "thumbnails") >= state(browser, "room"), "its thumbnails")
    browser.shoot(tmp_path / f"map-{scheme}-{phone}.png")
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.violations(axe) == []


def test_it_is_linked_to_and_takes_all_from_the_server(browser: Browser, mapped: PictureMap) -> None:
    browser.open()
    browser.requests(), browser.complaints()
    browser.click(".top a.wide")
    browser.wait("return Number(document.querySelector('#map')?.dataset.zoom)", "the map")
    assert {address.split("/")[2] for address in browser.requests() if address.startswith("http")} == {
        browser.address.split("/")[2]
    }
    assert browser.complaints() == []
    browser.click(".top .button")
    browser.settled()


def test_the_page_is_small_and_names_all_that_it_loads() -> None:
    page = Page((STATIC / "map.html").read_text(encoding="utf-8"))
    named = {
        value
        for _, tag in page.tags
        for key, value in tag.items()
        if key in {"src", "href"} and value and value.startswith("static/")
    }
    parts = {STATIC / name.removeprefix("static/") for name in named} | {STATIC / "map.html"}
    assert {path.name for path in STATIC.glob("map*")} <= {path.name for path in parts}
    assert sum(path.stat().st_size for path in parts) < 100_000
