"""The page and what it is made of, as a browser gets them."""

import httpx
import pytest

from doubles.html_page import Page


def test_the_page_finds_all_that_it_names(client: httpx.Client) -> None:
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = Page(answer.text)
    named = [
        value for tag in (*page.named("script"), *page.named("link")) for value in (tag.get("src"), tag.get("href"))
    ]
    addresses = [value for value in named if value]
    assert addresses
    for address in addresses:
        part = client.get("/" + address.lstrip("./"))
        assert part.status_code == 200, address
        kind = part.headers["content-type"]
        assert kind.startswith(
            {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[address[-3:].strip(".")]
        )


@pytest.mark.parametrize("path", ["/", "/static/gallery.css"])
def test_what_a_browser_has_is_not_sent_again(client: httpx.Client, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == "no-cache"
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    "path", ["/static/app.py", "/static/__init__.py", "/static/nothing.js", "/index.html", "/docs"]
)
def test_nothing_else_is_there(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"]
