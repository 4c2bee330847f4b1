"""ServiceOptions: where the service listens, who may ask it, and how much it takes."""

import ipaddress
from dataclasses import dataclass

from topicidx.errors import SettingsError

#: Shorter tokens can be guessed.
SHORTEST_TOKEN = 16
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """What `topicidx serve` was told, and the limits of the service.

    token: what every request must show, None for no token. allowed_hosts: further names that requests may come under, such as
    that of a reverse proxy. fetch: show pictures that lie at URLs which a manifest named. threads, waiting: searches at the same
    time (None: what the store can make use of), and requests that may wait for their turn. timeout, encoding_timeout: seconds
    for an answer, and for one to an uploaded picture, which may have to load the network first. body_seconds: for a request to
    arrive. Raises SettingsError for options that do not go together.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    log_queries: bool = False
    fetch: bool = False
    threads: int | None = None
    waiting: int = 512
    timeout: float = 30.0
    encoding_timeout: float = 120.0
    body_seconds: float = 30.0
    upload_bytes: int = 20_000_000
    body_bytes: int = 1_000_000
    thumbnail_bytes: int = 64_000_000

    def __post_init__(self) -> None:
        if self.token is not None and (len(self.token) < SHORTEST_TOKEN or not _is_plain(self.token)):
            raise SettingsError(
                f"the token must have at least {SHORTEST_TOKEN} letters, digits or signs, and no spaces; "
                "`openssl rand -hex 32` makes a good one"
            )
        if self.token is None and not self.on_loopback:
            raise SettingsError(
                f"--host {self.host} lets other machines in, which takes a token: set TOPICIDX_TOKEN (or --token), for which "
                "`openssl rand -hex 32` makes a good one"
            )

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def known_hosts(self) -> frozenset[str] | None:
        """The names that requests may come under, in lower case; None for any.

        A page elsewhere can give its own name this machine's address and ask as if it came from here (DNS rebinding). Where a
        token is needed anyway, that is of no use to it.
        """
        if not self.on_loopback and not self.allowed_hosts:
            return None
        return frozenset(name.lower() for name in (*_LOOPBACK_NAMES, self.host, *self.allowed_hosts))


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
