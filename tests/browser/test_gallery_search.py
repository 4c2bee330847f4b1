"""Searching in the gallery: words, suggestions, chips, filters, pages, and the way back."""

from collections.abc import Callable
from typing import Any

from doubles.browser import Browser, Keys

Ask = Callable[..., Any]


def _ids(answer: Any) -> list[str]:
    return [picture["id"] for picture in answer["results"]]


def test_pictures_are_those_of_the_api_best_first_and_the_address_says_what_was_asked(
    browser: Browser, ask: Ask
) -> None:
    browser.open()
    browser.search("sunrise beach")
    assert browser.query == "sunrise beach"
    assert browser.pictures == _ids(ask("search", q="sunrise beach", limit=36))
    assert browser.chips == ["sunrise: more of it", "beach: more of it"]
    assert browser.driver.title == "sunrise beach · topicidx"
    shown = browser.pictures

    browser.driver.refresh()
    browser.settled()
    assert browser.pictures == shown


def test_words_are_suggested_while_typing_and_taken_with_the_keys(browser: Browser, ask: Ask) -> None:
    browser.open()
    box = browser.one("#words")
    box.send_keys("beach s")
    browser.one("#suggestions [role=option]")
    expected = [word["word"] for word in ask("suggest", prefix="s", limit=8)["words"]]
    assert [text.split("\n")[0] for text in browser.texts("#suggestions [role=option]")] == expected
    assert box.get_attribute("aria-expanded") == "true"

    box.send_keys(Keys.ESCAPE)
    assert not browser.one("#words").get_attribute("aria-activedescendant")
    assert box.get_attribute("aria-expanded") == "false"
    assert box.get_attribute("value") == "beach s"

    box.send_keys(Keys.ARROW_DOWN)
    browser.one("#suggestions [role=option]")
    box.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    active = browser.run(
        "return document.getElementById(arguments[0]).ariaSelected", box.get_attribute("aria-activedescendant")
    )
    assert active == "true"
    box.send_keys(Keys.ENTER)
    browser.settled()
    assert browser.query == f"beach {expected[1]}"


def test_cities_are_suggested_after_city(browser: Browser) -> None:
    browser.open()
    browser.wait("return document.querySelector('#facets button')", "the cities")
    browser.one("#words").send_keys("beach city:new")
    browser.click("#suggestions [role=option]")
    browser.settled()
    assert browser.query == 'beach city:"new york"'
    assert browser.cities == {"New York"}


def test_a_chip_is_turned_weighed_and_removed_by_click(browser: Browser, ask: Ask) -> None:
    browser.open("?q=sunrise+rain")
    browser.click("#chips li:nth-child(2) .turn")
    browser.settled()
    assert browser.query == "sunrise -rain"
    assert browser.chips == ["sunrise: more of it", "rain: less of it"]
    assert browser.pictures == _ids(ask("search", q="sunrise -rain", limit=36))

    browser.click("#chips li:nth-child(1) .weight")
    browser.settled()
    assert browser.query == "sunrise^2 -rain"

    browser.click("#chips li:nth-child(2) .remove")
    browser.settled()
    assert browser.query == "sunrise^2"
    assert browser.pictures == _ids(ask("search", q="sunrise", limit=36))


def test_a_chip_is_turned_weighed_and_removed_by_keys(browser: Browser) -> None:
    browser.open("?q=sunrise+rain")
    browser.one("#words").send_keys(Keys.BACKSPACE)
    assert browser.focused.get_attribute("aria-label") == "Remove rain"
    for key, query in (("-", "sunrise -rain"), (Keys.ARROW_UP, "sunrise -rain^2"), (Keys.ARROW_DOWN, "sunrise -rain")):
        browser.press(key)
        browser.settled()
        assert browser.query == query
        assert browser.focused.get_attribute("aria-label") == "Remove rain"
    browser.press(Keys.DELETE)
    browser.settled()
    assert browser.query == "sunrise"
    assert browser.focused.get_attribute("aria-label") == "Remove sunrise"


def test_a_city_narrows_the_search_until_it_is_chosen_again(browser: Browser) -> None:
    browser.open("?q=sunrise")
    everywhere = browser.pictures
    browser.click("[data-city=london]")
    browser.settled()
    assert browser.query == "sunrise city:london"
    assert browser.cities == {"London"}

    browser.click("#chips .city .turn")
    browser.settled()
    assert browser.query == "sunrise -city:london"
    assert browser.cities
    assert "London" not in browser.cities

    browser.click("[data-city=london]")
    browser.settled()
    browser.click("[data-city=london]")
    browser.settled()
    assert browser.query == "sunrise"
    assert browser.pictures == everywhere


def test_dates_narrow_the_search_and_include_both_days(browser: Browser, ask: Ask) -> None:
    browser.open("?q=sunrise")
    for name, day in (("from", "2021-06-15"), ("to", "2022-03-15")):
        browser.run(
            "const input = document.getElementById(arguments[0]); input.value = arguments[1];"
            "input.dispatchEvent(new Event('change', {bubbles: true}))",
            name,
            day,
        )
        browser.settled()
    assert browser.query == "sunrise after:2021-06-15 before:2022-03-16"
    found = {picture["taken_at"][:10] for picture in ask("search", q=browser.query, limit=200)["results"]}
    assert found
    assert min(found) >= "2021-06-15"
    assert max(found) <= "2022-03-15"
    assert browser.one("#to").get_attribute("value") == "2022-03-15"
    assert browser.chips[1:] == ["from 2021-06-15", "before 2022-03-16"]


def test_only_pictures_above_average_are_shown_where_asked_for(browser: Browser, ask: Ask) -> None:
    browser.open("?q=sunrise+-beach")
    browser.click("#above")
    browser.settled()
    expected = _ids(ask("search", q="sunrise -beach", min_score=1, limit=36))
    assert browser.pictures == expected
    assert browser.run("return location.search").endswith("&min_score=1")


def test_an_unknown_word_is_named_and_one_near_it_taken(browser: Browser) -> None:
    browser.open("?q=beach+sunrize")
    assert "No caption uses “sunrize”" in browser.one(".notice").text
    assert browser.all("#chips .unknown")
    browser.click(".notice .choice")
    browser.settled()
    assert browser.query == "beach sunrise"
    assert not browser.all(".notice")


def test_what_cannot_be_searched_for_is_said_and_stays_to_be_mended(browser: Browser) -> None:
    browser.open("?q=sunrise")
    browser.search('"beach')
    assert "is not closed" in browser.one(".notice[role=alert]").text
    assert browser.one("#words").get_attribute("value") == 'sunrise "beach'
    browser.one("#words").send_keys('"')
    browser.press(Keys.ENTER)
    browser.settled()
    assert browser.query == 'sunrise "beach"'
    assert browser.pictures

    browser.open("?q=zzzz")
    assert "zzzz" in browser.one(".notice[role=alert]").text


def test_nothing_left_says_what_to_leave_out(browser: Browser) -> None:
    browser.open("?q=sunrise+before:1990")
    assert "No picture is left" in browser.one(".notice").text
    browser.click(".notice button")
    browser.settled()
    assert browser.query == "sunrise"
    assert browser.pictures


def test_scrolling_on_shows_every_picture_once(browser: Browser, ask: Ask) -> None:
    browser.open("?q=sunrise")
    whole = _ids(ask("search", q="sunrise", limit=200))

    def at_the_end() -> bool:
        browser.run("scrollTo(0, document.body.scrollHeight)")
        return len(browser.pictures) == len(whole)

    browser.until(at_the_end, "all pictures")
    assert browser.pictures == whole
    assert not browser.one("main").find_element("id", "further").is_displayed()
    assert "and no more" in browser.one("#status").text


def test_the_button_shows_more_and_moves_the_focus_there(browser: Browser) -> None:
    browser.open("?q=sunrise")
    first = browser.pictures
    browser.run("document.querySelector('#more').click()")
    browser.until(lambda: len(browser.pictures) > len(first), "further pictures")
    browser.until(lambda: browser.run("return document.activeElement.closest('.tile') !== null"), "the focus")
    assert browser.pictures[: len(first)] == first
    assert browser.pictures[len(first)] in browser.focused.get_attribute("href")


def test_back_and_forward_show_what_was_there_where_it_was(browser: Browser) -> None:
    browser.open()
    browser.search("sunrise")
    sunrise = browser.pictures
    browser.run("scrollTo(0, 500)")
    browser.search("beach")
    both = browser.pictures
    assert browser.query == "sunrise beach"
    assert both != sunrise

    browser.driver.back()
    browser.until(lambda: browser.pictures[: len(sunrise)] == sunrise, "the first search")
    assert browser.query == "sunrise"
    assert browser.chips == ["sunrise: more of it"]
    assert browser.run("return scrollY") == 500
    browser.driver.forward()
    browser.until(lambda: browser.pictures[: len(both)] == both, "the second search")
    browser.driver.back()
    browser.driver.back()
    browser.one("#start .topics")
    assert browser.query == ""
    assert browser.pictures == []
