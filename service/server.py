"""The server: uvicorn on a socket of ours, with clients that are too slow sent away."""

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from topicidx.errors import SettingsError
from topicidx.service.app import create_app
from topicidx.service.options import ServiceOptions
from topicidx.service.service import Service
from topicidx.settings import Settings

#: Connections at the same time; more are answered that there are too many.
MOST_CONNECTIONS = 1_000
#: Seconds until the head of a request must be there, that an idle connection is kept, that answers may take when it ends.
HEAD_SECONDS, IDLE_SECONDS, ENDING_SECONDS = 15.0, 20, 10


def serve(settings: Settings, options: ServiceOptions, on_ready: Callable[[str, Service], None]) -> None:
    """Serve the index of `settings` until SIGTERM or Ctrl-C, which what has begun is waited for.

    on_ready: told the address when it can be asked. Raises SettingsError where nobody can listen there, and what opening an
    index raises. In the end the signal is raised again.
    """
    service = Service(settings, options)
    try:
        with listening(options.host, options.port) as listener:
            on_ready(address_of(listener, options.host), service)
            server_of(service).run(sockets=[listener])
    finally:
        service.close()


def server_of(service: Service) -> uvicorn.Server:
    """A uvicorn server for `service`, to be run on sockets that listen."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(service),
            http=PunctualProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=ENDING_SECONDS,
        )
    )


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens on a name or address of this machine; port 0 is any that is free. Raises SettingsError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # asyncio turns Nagle's algorithm off, which costs 40 ms an answer, where a socket says that it is of TCP.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(1_024)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}; choose another --host or --port"
        ) from error
    return listener


def address_of(listener: socket.socket, host: str) -> str:
    """The URL that a socket answers under."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/"


class PunctualProtocol(H11Protocol):
    """HTTP/1.1 whose clients must send the head of a request within HEAD_SECONDS of connecting or of their last one."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        if self._waiting is None and self._between_requests():
            self._wait_for_head()
        super().data_received(data)
        if not self._between_requests():
            self._wait_no_more()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def _between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_head(self) -> None:
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._send_away)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _send_away(self) -> None:
        self._waiting = None
        if self._between_requests():
            self.transport.close()
