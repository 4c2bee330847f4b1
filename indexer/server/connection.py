"""Connection: a Qdrant server, spoken to with its key, at a version that is known; failures that pass are waited for."""

import importlib.metadata
import ipaddress
import logging
import os
import re
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr
from qdrant_client import QdrantClient
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random

from topicidx.errors import SettingsError, StoreError, StoreVersionError
from topicidx.indexer.server.failures import FAILURES, passes, seconds_asked_for, store_error
from topicidx.settings import ServerSettings

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

API_KEY = "TOPICIDX_API_KEY"
#: The first version whose collections have metadata, by which topicidx knows its own.
OLDEST_SERVER = (1, 16)
#: A wrong address is said soon: the first request is tried no more often than this.
_FIRST_ATTEMPTS = 3
#: The wait before the second try in seconds; it doubles from try to try.
_FIRST_WAIT = 0.5
#: Waits of so many seconds are said unasked.
_LONG_WAIT = 5.0
#: A server is not waited for longer than this, whatever it asks for.
_LONGEST_ASKED_WAIT = 600.0
#: gRPC looks for a lost server less and less often: at most this many milliseconds apart.
_RECONNECT_MS = 5_000


class Connection:
    """A Qdrant server and how patiently it is spoken to. Its requests may be made twice: all of ours have the same effect then.

    client: any QdrantClient. location: what the server is called in messages, without a key. owned: whether closing the
    connection closes the client.
    """

    def __init__(
        self,
        client: QdrantClient,
        location: str,
        settings: ServerSettings | None = None,
        *,
        owned: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.client = client
        self.location = location
        self.settings = settings or ServerSettings()
        self._owned = owned
        self._sleep = sleep

    def call(self, request: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `request`, a method of the client, answers; tried again, with growing waits, where that may help.

        Raises StoreUnreachableError when all tries have failed, another StoreError at once where the server says no.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self.settings.attempts),
            wait=self._wait,
            retry=retry_if_exception(passes),
            before_sleep=self._say,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(request, *args, **kwargs)
        except FAILURES as error:
            raise store_error(error, self.location) from error

    def wait(self, seconds: float) -> None:
        """Let some time pass, for what another process or another node of the server does."""
        self._sleep(seconds)

    def with_attempts(self, attempts: int) -> "Connection":
        """The same server, given up after at most so many tries. Closing it does nothing."""
        fewer = replace(self.settings, attempts=min(attempts, self.settings.attempts))
        return Connection(self.client, self.location, fewer, sleep=self._sleep)

    def close(self) -> None:
        """Let go of the server."""
        if self._owned:
            self.client.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Connection({self.location!r})"

    def _wait(self, state: RetryCallState) -> float:
        asked = seconds_asked_for(state.outcome.exception() if state.outcome else None)
        if asked is not None:
            return min(asked, _LONGEST_ASKED_WAIT)
        growing = wait_exponential(multiplier=_FIRST_WAIT) + wait_random(0, _FIRST_WAIT)
        return min(growing(state), self.settings.longest_wait)

    def _say(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait = state.next_action.sleep if state.next_action else 0
        logger.log(
            logging.WARNING if wait >= _LONG_WAIT else logging.INFO,
            "%s: try %d of %d failed (%s), the next one comes in %.1f s",
            self.location,
            state.attempt_number,
            self.settings.attempts,
            type(error).__name__,
            wait,
        )


def connect(url: str, settings: ServerSettings, *, sleep: Callable[[float], None] = time.sleep) -> Connection:
    """Reach the server at `url`; to be closed, which a store or writer that is given it does.

    Raises SettingsError where the API key cannot be had, StoreUnreachableError where no server answers or it refuses the
    key, StoreVersionError where it is too old or too new.
    """
    key = api_key(settings)
    parts = urlsplit(url)
    if key and parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        _warn_once(
            f"the API key goes to {parts.hostname} over plain http, where others may read it; use an https address"
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Api key is used with an insecure connection")  # said better above
        client = QdrantClient(
            url=url,
            grpc_port=settings.grpc_port,
            prefer_grpc=settings.grpc,
            api_key=key.get_secret_value() if key else None,
            timeout=settings.timeout,
            check_compatibility=False,  # checked below, with what to do
            grpc_options={"grpc.max_reconnect_backoff_ms": _RECONNECT_MS},
        )
    connection = Connection(client, url, settings, owned=True, sleep=sleep)
    try:
        _check_version(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def api_key(settings: ServerSettings) -> SecretStr | None:
    """The server's key: of the variable TOPICIDX_API_KEY, or else of the file `api_key_file`. Raises SettingsError."""
    key, place = os.environ.get(API_KEY, "").strip(), f"the variable {API_KEY}"
    if not key and settings.api_key_file is not None:
        place = f"api_key_file {settings.api_key_file}"
        try:
            key = settings.api_key_file.expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise SettingsError(f"cannot read the API key in {place}: {reason}") from error
        if not key:
            raise SettingsError(f"{place} is empty; it must hold the server's API key")
    if not (key.isascii() and key.isprintable()):
        raise SettingsError(f"{place} holds characters that no API key has")  # and a header could not take
    return SecretStr(key) if key else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _check_version(connection: Connection) -> None:
    served = connection.with_attempts(_FIRST_ATTEMPTS).call(connection.client.info).version
    own = importlib.metadata.version("qdrant-client")
    theirs, ours = _numbers(served), _numbers(own)
    both = f"the server {connection.location} is Qdrant {served}, the client library here is qdrant-client {own}"
    if theirs < OLDEST_SERVER:
        oldest = ".".join(map(str, OLDEST_SERVER))
        raise StoreVersionError(f"{both}; topicidx needs Qdrant {oldest} or newer: upgrade the server")
    if theirs[0] != ours[0]:
        raise StoreVersionError(
            f"{both}; they do not understand each other: pip install --upgrade topicidx qdrant-client"
        )
    if abs(theirs[1] - ours[1]) > 1:
        older = "the server" if theirs < ours else "qdrant-client"
        _warn_once(f"{both}; they are meant for each other at most one minor version apart: upgrade {older}")


def _numbers(version: str) -> tuple[int, int]:
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found is None:
        raise StoreError(f"the server says that its version is {version!r}, which is none of Qdrant's")
    return int(found[1]), int(found[2])


@cache
def _warn_once(message: str) -> None:
    logger.warning(message)
