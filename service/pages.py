"""The pages of the gallery: files of this package, and nothing else."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from topicidx.service.failures import failure

_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
    "json": "application/json",
    "webmanifest": "application/manifest+json",
}
_PAGES = {"/": "index.html", "/map": "map.html"}


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    kind: str
    tag: str


def pages() -> APIRouter:
    """The pages and what they are made of, read once."""
    assets = _assets()
    router = APIRouter(include_in_schema=False)

    def page(request: Request) -> Response:
        return _served(assets.get(_PAGES[request.url.path]), request)

    for address in _PAGES:
        router.add_api_route(address, page, methods=["GET", "HEAD"])

    @router.api_route("/static/{name}", methods=["GET", "HEAD"])
    def static(name: str, request: Request) -> Response:
        return _served(assets.get(name), request)

    return router


def _served(asset: _Asset | None, request: Request) -> Response:
    if asset is None:
        return failure(404, "RequestError", "there is no such page")
    # Asked for anew each time, so that page and scripts are of one version, and not sent again where they are known.
    headers = {"ETag": asset.tag, "Cache-Control": "no-cache"}
    if asset.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.kind, headers=headers)


def _assets() -> dict[str, _Asset]:
    found = {}
    for entry in files("topicidx.service").joinpath("static").iterdir():
        kind = _TYPES.get(entry.name.rpartition(".")[2])
        if kind is not None and entry.is_file():
            content = entry.read_bytes()
            found[entry.name] = _Asset(content, kind, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
    return found
