"""`topicidx serve`: the index in a browser, and as an HTTP API."""

import signal
import sys
import threading
import webbrowser
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from topicidx.cli.console import status
from topicidx.cli.options import Collection, Home, MatchOption, Space, Store
from topicidx.errors import MissingExtraError
from topicidx.settings import Settings

if TYPE_CHECKING:
    from topicidx.service.service import Service

#: What the service needs beyond what all of topicidx does.
_NEEDED = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")


def serve(
    home: Home = None,
    space: Space = None,
    store: Store = None,
    collection: Collection = None,
    match: MatchOption = None,
    host: Annotated[
        str, typer.Option(help="The name or address to listen on; one that other machines reach takes a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 for any that is free.", min=0, max=65_535)] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="TOPICIDX_TOKEN",
            help="What every request must show. Better as a variable: other users of this machine can see options.",
            show_default=False,
            show_envvar=True,
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A further name that it may be asked under, such as a reverse proxy's; may be repeated.",
            show_default=False,
        ),
    ] = None,
    log_queries: Annotated[
        bool, typer.Option("--log-queries", help="Also write what is searched for to the log.")
    ] = False,
    fetch: Annotated[
        bool,
        typer.Option("--fetch", help="Also show pictures that lie at URLs which a manifest named, by fetching them."),
    ] = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Show the index in a browser, and answer programs over HTTP, until Ctrl-C.

    The URL goes to stdout, a line of JSON for each request to stderr.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"serving needs {', '.join(missing)}: pip install 'topicidx[serve]'")
    from topicidx.service.access import log_to_stderr
    from topicidx.service.options import ServiceOptions
    from topicidx.service.server import serve as serve_index

    options = ServiceOptions(
        host=host,
        port=port,
        token=token or None,
        allowed_hosts=tuple(allowed_host or ()),
        log_queries=log_queries,
        fetch=fetch,
    )
    settings = Settings.load(home=home, space=space, store=store, collection=collection, match=match)

    def on_ready(address: str, service: "Service") -> None:
        print(address, flush=True)
        status(f"serving {service.pictures:,} pictures; Ctrl-C ends it")
        if open_page:
            # Some browsers return only when they are closed.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    log_to_stderr()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    serve_index(settings, options, on_ready)
