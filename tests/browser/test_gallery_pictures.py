"""Pictures in the gallery: more and less like one, one of one's own, one in full, those of a topic."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doubles.browser import Browser, Keys

Ask = Callable[..., Any]
TOKEN = "a-token-that-only-tests-know"


def test_more_and_less_like_a_picture_are_terms_of_the_query(browser: Browser, ask: Ask) -> None:
    browser.open("?q=sunrise")
    liked, disliked = browser.pictures[1:3]
    browser.hover(browser.all(".tile")[1])
    browser.click(".tile:nth-child(2) [data-weight='1']")
    browser.settled()
    assert browser.query == f"sunrise like:{liked}"
    assert browser.chips[1] == "this picture: more of it"
    expected = ask("search", q=browser.query, limit=36)["results"]
    assert browser.pictures == [picture["id"] for picture in expected]

    at = browser.pictures.index(disliked)
    browser.run("document.querySelectorAll('a.open')[arguments[0]].focus()", at)
    browser.press("l")
    browser.settled()
    assert browser.query == f"sunrise like:{liked} -like:{disliked}"
    assert browser.chips[2] == "this picture: less of it"


def test_a_picture_is_chosen_to_search_by(browser: Browser, gallery: Path) -> None:
    own = sorted((gallery / "posts").glob("*.jpg"))[5]
    browser.open()
    browser.driver.find_element("id", "file").send_keys(str(own))
    browser.settled()
    assert browser.one("#heading").text == "Pictures like yours"
    browser.click("[data-city=london]")
    browser.settled()
    assert browser.cities == {"London"}
    assert browser.one("#heading").text == "Pictures like yours"

    shown = browser.pictures
    browser.search("beach")
    assert browser.query == "city:london beach"
    browser.driver.back()
    browser.until(lambda: browser.pictures == shown, "the pictures like one's own")
    browser.driver.refresh()
    browser.settled()
    assert "Choose or drop it again" in browser.one(".notice").text


def test_a_picture_is_dropped_to_search_by(browser: Browser, gallery: Path, ask: Ask) -> None:
    own = sorted((gallery / "posts").glob("*.jpg"))[7]
    browser.open("?q=sunrise")
    _drop(browser, own.read_bytes(), "mine.jpg", "image/jpeg")
    browser.settled()
    browser.until(lambda: browser.one("#heading").text == "Pictures like yours", "pictures like it")
    indexed = ask("search", q="sunrise", limit=200)["results"]
    same = next(picture["id"] for picture in indexed if picture["image"] == f"posts/{own.name}")
    alike = [picture["id"] for picture in ask(f"pictures/{same}/similar", limit=10)["results"]]
    shown = [picture for picture in browser.pictures if picture != same][:10]
    # The same but for what numbers of few bits do to near ties.
    assert len(set(shown) & set(alike)) >= 8
    assert browser.query == ""

    _drop(browser, b"no picture", "notes.txt", "text/plain")
    assert "That is no picture" in browser.one(".notice[role=alert]").text
    _drop(browser, b"no picture", "broken.jpg", "image/jpeg")
    browser.until(
        lambda: "That is no picture" not in browser.one(".notice[role=alert]").text, "what the server says of it"
    )
    assert not browser.pictures


def _drop(browser: Browser, content: bytes, name: str, kind: str) -> None:
    browser.run(
        """
        const bytes = Uint8Array.from(atob(arguments[0]), letter => letter.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], arguments[1], {type: arguments[2]}));
        for (const name of ['dragenter', 'dragover', 'drop']) {
          document.body.dispatchEvent(new DragEvent(name, {dataTransfer, bubbles: true, cancelable: true}));
        }
        """,
        base64.b64encode(content).decode(),
        name,
        kind,
    )


def test_the_detail_view_tells_caption_topics_and_why_it_matched(browser: Browser, ask: Ask) -> None:
    browser.open("?q=sunrise+-rain")
    chosen, other = browser.pictures[2:4]
    browser.click(".tile:nth-child(3) .open")
    browser.one("#detail .bars.lifts")
    told = ask(f"pictures/{chosen}")
    why = ask("search", q="sunrise -rain", limit=1, offset=2, explain="true")["results"][0]["why"]
    assert browser.one("#detail h2").text == told["captions"][0]
    assert [text.split("\n")[0] for text in browser.texts("#detail .lifts li")] == ["sunrise", "− rain"]
    assert len(why) == 2
    topics = browser.all("#detail section:last-of-type .bars a")
    assert [topic.text for topic in topics] == [", ".join(topic["words"][:4]) for topic in told["topics"]]
    bars = "[...document.querySelectorAll('#detail section:last-of-type .bar-line span')]"
    widths = browser.run(f"return {bars}.map(bar => parseInt(bar.style.width))")
    assert widths[0] == 100
    assert widths == sorted(widths, reverse=True)
    picture = browser.wait(
        "const image = document.querySelector('#detail .shown img'); return image.naturalWidth", "it"
    )
    assert picture == told["width"]

    browser.open(f"?q=rains+-like:{other}")
    browser.click(".tile .open")
    browser.one("#detail .bars.lifts")
    assert [text.split("\n")[0] for text in browser.texts("#detail .lifts li")] == ["rain", "− like"]
    assert other in browser.one("#detail .lifts img").get_attribute("src")


def test_the_detail_view_has_an_address_and_goes_with_escape_and_back(browser: Browser) -> None:
    browser.open("?q=sunrise")
    second, third = browser.pictures[1:3]
    browser.click(".tile:nth-child(2) .open")
    browser.one("#detail .bars")
    address = browser.driver.current_url
    assert address.endswith(f"?q=sunrise&picture={second}")
    browser.press(Keys.ARROW_RIGHT)
    browser.until(lambda: browser.driver.current_url.endswith(third), "the next picture")
    browser.press(Keys.ESCAPE)
    browser.until(lambda: not browser.all("dialog[open]"), "it to close")
    browser.until(lambda: third in (browser.focused.get_attribute("href") or ""), "the focus to be where one was")
    assert browser.driver.current_url.endswith("?q=sunrise")

    browser.open()
    browser.search("sunrise")
    browser.click(".tile:nth-child(2) .open")
    browser.one("#detail .bars")
    browser.press(Keys.ESCAPE, Keys.ESCAPE)
    browser.until(lambda: not browser.all("dialog[open]"), "it to close")
    browser.until(lambda: browser.driver.current_url.endswith("?q=sunrise"), "the search, and no step more")
    assert second in browser.pictures

    browser.driver.get(address)
    browser.one("#detail .lifts")
    assert browser.one("#detail .next").is_enabled()
    browser.click("#detail .close")
    browser.until(lambda: not browser.all("dialog[open]"), "it to close")
    browser.settled()
    assert browser.driver.current_url.endswith("?q=sunrise")
    assert browser.pictures

    browser.driver.get(browser.address + "?picture=00000000-0000-0000-0000-000000000000")
    browser.until(lambda: "not in the index" in browser.one("#detail").text, "what is wrong")


def test_a_topic_of_a_picture_shows_those_with_most_of_it(browser: Browser, ask: Ask) -> None:
    browser.open("?q=sunrise")
    browser.click(".tile .open")
    browser.click("#detail section:last-of-type .bars a")
    browser.until(lambda: not browser.all("dialog[open]"), "it to close")
    browser.settled()
    topic = int(browser.run("return new URLSearchParams(location.search).get('topic')"))
    found = ask(f"topics/{topic}/pictures", limit=36)
    assert browser.pictures == [picture["id"] for picture in found["results"]]
    assert browser.one("#heading").text == f"Pictures of “{found['terms'][0]['text']}”"
    browser.click("[data-city=london]")
    browser.settled()
    assert browser.cities == {"London"}
    browser.driver.back()
    browser.driver.back()
    browser.one("#detail .bars")
    browser.driver.back()
    browser.until(lambda: not browser.all("dialog[open]"), "it to close")
    assert browser.query == "sunrise"


def test_the_start_page_offers_topics(browser: Browser, ask: Ask) -> None:
    browser.open()
    topics = ask("topics", limit=24)["topics"]
    browser.one("#start .topics")
    assert len(browser.all("#start li")) == len(topics)
    browser.click("#start li:nth-child(3) a")
    browser.settled()
    assert browser.driver.current_url.endswith(f"?topic={topics[2]['topic']}")


def test_captions_cities_and_queries_are_never_taken_for_html(browser: Browser, ask: Ask) -> None:
    hostile = next(city["city"] for city in ask("facets")["cities"] if "<b>" in city["city"])
    browser.open("?q=sunrise")
    browser.wait("return document.querySelector('#facets button')", "the cities")
    if browser.all("#facets .toggle"):
        browser.click("#facets .toggle")
    browser.click(f"[data-city='{hostile}']")
    browser.settled()
    assert "<img src=x" in browser.one(".tile img").get_attribute("alt")
    browser.click(".tile .open")
    browser.until(lambda: "taken over" in browser.one("#detail h2").text, "the caption")
    browser.press(Keys.ESCAPE)
    browser.open("?q=%22%3Cimg+src%3Dx+onerror%3Ddocument.title%3D%27taken+over%27%3E%22+sunrise&topic=%3Cb%3E&upload=")
    assert browser.all("#chips .phrase")
    assert not browser.run(
        "return document.querySelector('main b:not(.badge b, .words b), img[src=x], script:not([src]), #chips b')"
    )
    assert "taken over" not in browser.driver.title.split("·")[-1]
    assert not [said for said in browser.complaints() if "Content Security Policy" in said]


@pytest.mark.parametrize("address", ["", "?q=sunrise"])
def test_a_token_is_asked_for_and_kept_where_scripts_cannot_read_it(chromium: Any, guarded: str, address: str) -> None:
    with Browser.fresh(chromium, guarded) as browser:
        browser.open(address)
        browser.one("#token-text").send_keys("wrong-wrong-wrong-wrong", Keys.ENTER)
        browser.until(lambda: "not the token" in browser.one("#token-wrong").text, "the refusal")
        browser.run("document.querySelector('#token-text').value = ''")
        browser.one("#token-text").send_keys(TOKEN, Keys.ENTER)
        browser.until(lambda: not browser.all("dialog[open]"), "it to open")
        browser.one("#start .topics" if not address else ".tile .open")
        browser.settled()
        assert browser.run("return document.cookie") == ""
        browser.driver.refresh()
        browser.settled()
        assert not browser.all("dialog[open]")
