"""The gallery for everyone: on phones, in the dark, with keys alone, without a network, and as axe-core judges it."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from doubles.browser import Browser, Keys

#: Views by name: what follows the address, and what is clicked there.
VIEWS: dict[str, tuple[str, str | None]] = {
    "start": ("", None),
    "results": ('?q=sunrise+-rain^2+city:london+"yellow+car"+after:2021', None),
    "detail": ("?q=sunrise+beach", ".tile:nth-child(2) .open"),
    "unknown": ("?q=sunrise+beech", None),
    "empty": ("?q=sunrise+before:1990", None),
    "wrong": ("?q=sunrise+taken:2020", None),
}


@pytest.fixture
def show(browser: Browser) -> Callable[[str], None]:
    def show(view: str) -> None:
        address, choice = VIEWS[view]
        browser.open(address)
        if choice:
            browser.click(choice)
            browser.one("#detail .bars")
            browser.settled()

    return show


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_wrong(
    browser: Browser, show: Callable[[str], None], axe: Path, tmp_path: Path, view: str, scheme: str
) -> None:
    browser.scheme(scheme)
    show(view)
    browser.shoot(tmp_path / f"{view}-{scheme}.png")
    assert browser.violations(axe) == []


def test_axe_finds_nothing_wrong_with_suggestions_and_help(browser: Browser, axe: Path, tmp_path: Path) -> None:
    browser.open("?q=sunrise")
    browser.run("document.querySelector('.foot details').open = true")
    browser.one("#words").send_keys("s")
    browser.one("#suggestions [role=option]")
    browser.press(Keys.ARROW_DOWN)
    browser.shoot(tmp_path / "suggestions.png")
    assert browser.violations(axe) == []


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_shows_all_without_scrolling_sideways(
    browser: Browser, show: Callable[[str], None], axe: Path, tmp_path: Path, view: str
) -> None:
    browser.resize(360, 740, phone=True)
    show(view)
    browser.shoot(tmp_path / f"{view}-phone.png")
    assert browser.run("return [document.documentElement.scrollWidth, innerWidth]") == [360, 360]
    assert browser.run("return document.querySelector('#detail').scrollWidth") <= 360
    assert browser.violations(axe) == []


def test_everything_can_be_done_with_keys(browser: Browser) -> None:
    browser.open()
    browser.run("document.activeElement.blur()")
    browser.press("/")
    assert browser.focused.get_attribute("id") == "words"
    browser.press("sunrise", Keys.ENTER)
    browser.settled()
    browser.until(lambda: browser.query == "sunrise", "the search")
    browser.until(lambda: len(browser.pictures) > 10, "its pictures")

    for _ in range(60):
        browser.press(Keys.TAB)
        if "open" in (browser.focused.get_attribute("class") or ""):
            break
    ids = browser.pictures
    assert ids[0] in browser.focused.get_attribute("href")
    browser.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert ids[2] in browser.focused.get_attribute("href")
    browser.press(Keys.ARROW_DOWN)
    below = browser.focused
    assert below.location["y"] > browser.all(".tile")[2].location["y"]
    browser.press(Keys.ARROW_UP, Keys.HOME)
    assert ids[0] in browser.focused.get_attribute("href")
    outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"

    browser.press(Keys.ENTER)
    browser.one("#detail .bars")
    browser.press(Keys.ESCAPE)
    browser.until(lambda: not browser.all("dialog[open]"), "it to close")
    browser.until(lambda: ids[0] in (browser.focused.get_attribute("href") or ""), "the focus to be where one was")
    browser.press("m")
    browser.until(lambda: browser.query == f"sunrise like:{ids[0]}", "more like it")
    browser.settled()
    assert browser.pictures[0] in browser.focused.get_attribute("href")


def test_nothing_is_asked_of_anyone_but_the_server(browser: Browser, show: Callable[[str], None]) -> None:
    browser.requests()
    for view in VIEWS:
        show(view)
    asked = [urlsplit(address) for address in browser.requests()]
    assert len(asked) > 20
    assert {address.netloc for address in asked if address.scheme not in {"data", "blob"}} == {
        urlsplit(browser.address).netloc
    }
    complaints = [said for said in browser.complaints() if "422" not in said]
    assert complaints == []


def test_a_server_that_has_gone_is_said_in_words_and_can_be_tried_again(browser: Browser) -> None:
    browser.open("?q=sunrise")
    shown = browser.pictures
    browser.command("Network.enable")
    browser.command(
        "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1
    )
    browser.search("beach")
    assert "cannot be reached" in browser.one(".notice[role=alert]").text
    browser.command(
        "Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1
    )
    browser.click(".notice button")
    browser.settled()
    assert browser.pictures
    assert browser.pictures != shown


def test_further_pictures_that_cannot_be_fetched_are_said_where_they_would_be(browser: Browser) -> None:
    browser.open("?q=sunrise")
    first = browser.pictures
    browser.command("Network.enable")
    browser.command(
        "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1
    )
    browser.run("scrollTo(0, document.body.scrollHeight)")
    notice = browser.one("#further-notice .notice")
    assert "cannot be reached" in notice.text
    assert browser.pictures == first
    browser.command(
        "Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1
    )
    browser.click("#further-notice button")
    browser.until(lambda: len(browser.pictures) > len(first), "further pictures")
    assert not browser.all("#further-notice .notice")


def test_pictures_beyond_the_window_are_not_fetched_yet(browser: Browser) -> None:
    browser.resize(700, 500)
    browser.requests()
    browser.open("?q=sunrise")
    thumbnails = [address for address in browser.requests() if "/thumbnail" in address]
    assert 0 < len(thumbnails) <= len(browser.pictures)
    assert browser.run("return [...document.querySelectorAll('#grid img')].every(image => image.loading === 'lazy')")
