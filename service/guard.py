"""Guard: what every request must pass before it reaches the API, and what every answer carries."""

import asyncio
import contextlib
import hashlib
import hmac
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from topicidx.service.failures import failure
from topicidx.service.options import ServiceOptions

COOKIE = "topicidx_token"
#: Where pictures are uploaded, and by how much a multipart body is longer than its file.
UPLOADS, MULTIPART = frozenset({"/api/similar"}), 64_000
#: Where a session begins: there the token is in the body.
SESSION = "/api/session"
#: Seconds that a client may leave what it is sent unread.
READING = 60.0
#: Of a body that is too large, how many times what was allowed is still taken before it is told, for how many seconds.
DRAINED, DRAINING = 4, 5.0

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def session_value(token: str) -> str:
    """What the cookie of a session holds: not the token itself, but what only those who know it can make."""
    return hmac.new(token.encode(), b"topicidx session", hashlib.sha256).hexdigest()


def same(given: str, expected: str) -> bool:
    """Whether both are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


class Guard:
    """Wraps an application: names of hosts, other websites, the token, the size of bodies and the time they take."""

    def __init__(self, app: ASGIApp, options: ServiceOptions) -> None:
        self._app = app
        self._options = options
        self._session = None if options.token is None else session_value(options.token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), str(scope["path"])
        guarded = _Answer(send, no_store=path.startswith("/api/"))
        refusal = self._refusal(str(scope["method"]), path, headers)
        if refusal is not None:
            await refusal(scope, receive, guarded.send)
            return
        body = _Body(receive, guarded, self._most_bytes(path), self._options.body_seconds)
        if body.announced_too_large(headers):
            await body.drain()
            await body.too_large()(scope, receive, guarded.send)
            return
        try:
            await self._app(scope, body.receive, guarded.send)
        except Exception:
            # An application that is told that its client has gone, because the body is refused, may say so.
            if guarded.refusal is None or guarded.started:
                raise
        if guarded.refusal is not None and not guarded.started:
            await guarded.refusal(scope, receive, guarded.sending)

    def _refusal(self, method: str, path: str, headers: Headers) -> Response | None:
        known = self._options.known_hosts
        host = _host_of(headers.get("host", ""))
        if known is not None and host not in known:
            return failure(
                400,
                "HostError",
                f"this service does not answer under the name {host!r}; `topicidx serve --allowed-host NAME` lets it",
            )
        if not path.startswith("/api/") and path != "/metrics":
            return None
        if headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
            return failure(403, "OriginError", "other websites may not use this service")
        if self._session is None or (method, path) == ("POST", SESSION):
            return None
        if not self._knows_token(headers):
            return failure(
                401,
                "TokenError",
                "the token is missing or wrong; send it as `Authorization: Bearer TOKEN`",
                {"WWW-Authenticate": "Bearer"},
            )
        return None

    def _knows_token(self, headers: Headers) -> bool:
        assert self._options.token is not None
        assert self._session is not None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return same(given.strip(), self._options.token)
        return same(_cookie(headers.get("cookie", "")), self._session)

    def _most_bytes(self, path: str) -> int:
        return self._options.upload_bytes + MULTIPART if path in UPLOADS else self._options.body_bytes


class _Answer:
    """The way back: adds headers, and lets a refusal take the place of what the application says of it."""

    def __init__(self, send: Send, *, no_store: bool) -> None:
        self._send = send
        self._no_store = no_store
        self.started = False
        self.refusal: Response | None = None

    async def send(self, message: Message) -> None:
        if self.refusal is None or self.started:
            await self.sending(message)

    async def sending(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if self._no_store:
                headers.setdefault("Cache-Control", "no-store")
        async with asyncio.timeout(READING):
            await self._send(message)


@dataclass
class _Body:
    """The way in: counts bytes and seconds while they come."""

    incoming: Receive
    answer: _Answer
    most: int
    seconds: float
    got: int = 0
    deadline: float | None = None
    complete: bool = False

    def announced_too_large(self, headers: Headers) -> bool:
        length = headers.get("content-length", "")
        return length.isdecimal() and int(length) > self.most

    def too_large(self) -> Response:
        return failure(413, "TooLargeError", f"the request has more than {self.most:,} bytes", {"Connection": "close"})

    async def receive(self) -> Message:
        if self.complete:
            return await self.incoming()
        loop = asyncio.get_running_loop()
        self.deadline = self.deadline or loop.time() + self.seconds
        try:
            async with asyncio.timeout_at(self.deadline):
                message = await self.incoming()
        except TimeoutError:
            return self._refuse(
                failure(408, "SlowError", "the request took too long to arrive", {"Connection": "close"})
            )
        if message["type"] == "http.request":
            self.got += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
            if self.got > self.most:
                if not self.complete:
                    await self.drain()
                return self._refuse(self.too_large())
        return message

    async def drain(self) -> None:
        """Drop what still comes, within bounds: who is hung up on while sending sees a broken connection, and no answer."""
        dropped = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAINING):
                while dropped < DRAINED * self.most:
                    message = await self.incoming()
                    dropped += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return

    def _refuse(self, refusal: Response) -> Message:
        self.complete = True
        self.answer.refusal = refusal
        return {"type": "http.disconnect"}


def _host_of(header: str) -> str:
    """The name in a Host header, without port, brackets and the dot at its end."""
    name = header.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
