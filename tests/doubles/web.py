"""A web server on this machine, with the files of a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any


class Handler(SimpleHTTPRequestHandler):
    """Answers without a word on stderr."""

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def serving_folder(folder: Path, handler: type[Handler] = Handler) -> Iterator[str]:
    """Serves the folder for as long as the block lasts. -> its URL"""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
