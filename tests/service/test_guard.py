"""Who is let in: tokens, names of hosts, other websites; and what every answer carries."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from doubles.services import Serving
from topicidx.errors import SettingsError
from topicidx.service.options import ServiceOptions

TOKEN = "a-token-of-quite-some-length"
SEARCH = "/api/search?q=sunrise"


@pytest.fixture(scope="module")
def guarded(home: Path, serving: Serving) -> Iterator[httpx.Client]:
    with serving(home, token=TOKEN) as client:
        yield client


@pytest.mark.parametrize("path", [SEARCH, "/api/facets", "/api/nothing", "/metrics"])
@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer x", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer \xff\xfe"],
)
def test_without_the_token_nothing_is_told(guarded: httpx.Client, path: str, header: str) -> None:
    answer = guarded.get(path, headers={"Authorization": header.encode("latin-1")})  # type: ignore[dict-item]
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["type"] == "TokenError"


def test_the_token_lets_in(guarded: httpx.Client) -> None:
    for path in (SEARCH, "/metrics"):
        assert guarded.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert guarded.get(path, headers={"Authorization": f"bearer  {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/openapi.json"])
def test_what_tells_nothing_of_the_pictures_needs_no_token(guarded: httpx.Client, path: str) -> None:
    assert guarded.get(path).status_code == 200


def test_a_browser_gets_a_cookie_for_the_token(guarded: httpx.Client) -> None:
    wrong = guarded.post("/api/session", json={"token": "another"})
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
    answer = guarded.post("/api/session", json={"token": TOKEN})
    assert answer.json() == {"needed": True}
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert TOKEN not in cookie
    value = cookie.partition(";")[0]
    guarded.cookies.clear()
    assert guarded.get(SEARCH, headers={"Cookie": value}).status_code == 200
    assert guarded.get(SEARCH, headers={"Cookie": value + "0"}).status_code == 401
    assert guarded.get(SEARCH, headers={"Cookie": f"topicidx_token={TOKEN}"}).status_code == 401
    behind_a_proxy = guarded.post("/api/session", json={"token": TOKEN}, headers={"X-Forwarded-Proto": "https"})
    assert "; Secure" in behind_a_proxy.headers["set-cookie"]
    guarded.cookies.clear()


def test_without_a_token_none_is_asked_for(client: httpx.Client) -> None:
    assert client.post("/api/session", json={"token": "any"}).json() == {"needed": False}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1234", "LOCALHOST", "localhost.", "[::1]:8000"])
def test_this_machine_goes_by_its_own_names(client: httpx.Client, host: str) -> None:
    assert client.get(SEARCH, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", [SEARCH, "/", "/healthz"])
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "[::2]", ""])
def test_a_name_that_others_gave_this_machine_is_refused(client: httpx.Client, path: str, host: str) -> None:
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "HostError"


def test_a_proxy_has_a_name_of_its_own(home: Path, serving: Serving) -> None:
    with serving(home, allowed_hosts=("Photos.example",)) as client:
        assert client.get(SEARCH, headers={"Host": "photos.example"}).status_code == 200
        assert client.get(SEARCH, headers={"Host": "other.example"}).status_code == 400


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_websites_are_refused(client: httpx.Client, site: str) -> None:
    assert client.get(SEARCH, headers={"Sec-Fetch-Site": site}).status_code == 403
    upload = client.post("/api/similar", files={"file": b"x"}, headers={"Sec-Fetch-Site": site})
    assert upload.status_code == 403
    for own in ("same-origin", "none"):
        assert client.get(SEARCH, headers={"Sec-Fetch-Site": own}).status_code == 200
    answer = client.options(SEARCH, headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "GET"})
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize("path", ["/", SEARCH, "/nothing", "/api/search", "/openapi.json", "/static/nothing.js"])
def test_every_answer_tells_browsers_to_be_careful(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers
    if path.startswith("/api/"):
        assert headers["cache-control"] == "no-store"


def test_further_than_this_machine_takes_a_good_token() -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::", "photos.example"):
        with pytest.raises(SettingsError, match="takes a token"):
            ServiceOptions(host=host)
        assert ServiceOptions(host=host, token=TOKEN).known_hosts is None
    for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        known = ServiceOptions(host=host).known_hosts
        assert known is not None
        assert host in known
    for token in ("short", "with spaces in the middle", "ünïcödé-token-of-some-length"):
        with pytest.raises(SettingsError, match="at least 16"):
            ServiceOptions(token=token)
