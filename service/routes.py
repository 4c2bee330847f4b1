"""The endpoints under /api: what may be asked, and how."""

import hashlib
import os
import stat
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, File, Form, Query, Request, Response, UploadFile
from fastapi import Path as InPath
from fastapi.responses import FileResponse
from fastapi.security import HTTPBearer
from pydantic import BeforeValidator

from topicidx.errors import ImageError
from topicidx.post import PictureFile
from topicidx.service import answers
from topicidx.service.answers import Asked, NotHereError
from topicidx.service.failures import BODY, EVERYWHERE, MAP, NOT_FOUND, WrongTokenError
from topicidx.service.guard import COOKIE, same, session_value
from topicidx.service.map_models import MapAnswer
from topicidx.service.models import (
    LONGEST,
    EncodeAnswer,
    EncodeRequest,
    Facets,
    PictureDetail,
    SearchAnswer,
    SessionAnswer,
    SessionRequest,
    Suggestions,
    Topics,
)
from topicidx.service.service import Service
from topicidx.settings import Match

#: The content type of each kind of file that is ever sent.
TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".avif": "image/avif",
    ".jp2": "image/jp2",
    ".heic": "image/heic",
    ".heif": "image/heif",
}
_KEEP = "private, max-age=3600"
_CONTENT: dict[str, dict[str, str]] = {kind: {} for kind in sorted(set(TYPES.values()))}
_PICTURE_RESPONSES: dict[int | str, dict[str, Any]] = {304: {"description": "It is as it was"}}

Limit = Annotated[int, Query(ge=1, le=200, description="How many pictures.")]
Offset = Annotated[int, Query(ge=0, le=10_000, description="How many pictures at the top to leave out: the next page.")]
Cities = Annotated[list[str], Query(max_length=50, description="Only pictures of any of these cities.")]
PictureId = Annotated[UUID, InPath(description="The id of an indexed picture.")]
Time = Annotated[str | None, Query(max_length=64, examples=["2023-05"])]


def routes(service: Service) -> APIRouter:
    """The endpoints, over `service`."""
    token = [Depends(HTTPBearer(auto_error=False))] if service.options.token else []  # told; `Guard` is what checks it
    api = APIRouter(prefix="/api", responses=EVERYWHERE, dependencies=token, tags=["search"])

    @api.get("/search", summary="Search by words and pictures")
    async def search(
        q: Annotated[
            str,
            Query(
                max_length=LONGEST,
                description='In the query language: words, "a phrase", -word, word^2, like:ID, city:london, after:2023.',
                examples=['sunrise beach^2 -people "ice cream" city:london before:2020'],
            ),
        ],
        city: Cities = [],  # noqa: B006 a default of FastAPI's, which copies it
        after: Time = None,
        before: Time = None,
        where: Annotated[
            str | None, Query(max_length=LONGEST, description="A condition on the payload, as of `query --where`.")
        ] = None,
        match: Annotated[Match | None, Query(description="all: every word counts; mean: the published method.")] = None,
        min_score: Annotated[float | None, Query(allow_inf_nan=False)] = None,
        unique: Annotated[bool, Query(description="Of pictures with the same bytes show one.")] = False,
        diverse: Annotated[bool, Query(description="Show pictures unlike those before them earlier.")] = False,
        did_you_mean: Annotated[bool, Query(description="Search with the nearest word for one not known.")] = False,
        explain: Annotated[bool, Query(description="Tell of each picture what it has of every term.")] = False,
        limit: Limit = 24,
        offset: Offset = 0,
    ) -> SearchAnswer:
        """The pictures that the query describes, best first."""
        asked = Asked(limit, offset, city, after, before, where, min_score, unique, diverse, explain)
        return await service.answer(
            partial(answers.search, text=q, asked=asked, match=match or service.match, did_you_mean=did_you_mean)
        )

    @api.get("/suggest", summary="Words that begin so")
    async def suggest(
        prefix: Annotated[str, Query(min_length=1, max_length=100, examples=["sun"])],
        limit: Annotated[int, Query(ge=1, le=50)] = 8,
    ) -> Suggestions:
        """Words of the vocabulary, the most frequent first, without regard to case and accents."""
        return await service.answer(partial(answers.suggest, prefix=prefix, limit=limit))

    @api.get("/facets", summary="Cities and how many pictures are of each")
    async def facets() -> Facets:
        """Counts of the whole store, the city with most pictures first."""
        return await service.answer(answers.facets)

    @api.get("/topics", summary="What has been learned")
    async def topics(limit: Annotated[int, Query(ge=1, le=65_536)] = 100) -> Topics:
        """The most frequent topics with their words; none where the text encoder has no topics."""
        return await service.answer(partial(answers.topics, limit=limit))

    @api.get("/topics/{topic}/pictures", responses=NOT_FOUND, summary="Pictures of a topic")
    async def topic_pictures(
        topic: Annotated[int, InPath(ge=0, le=65_535)],
        city: Cities = [],  # noqa: B006
        limit: Limit = 24,
        offset: Offset = 0,
    ) -> SearchAnswer:
        """The pictures with most of the topic; the score is its share of them."""
        return await service.answer(partial(answers.of_topic, topic=topic, asked=Asked(limit, offset, city)))

    @api.get(
        "/map",
        response_class=Response,
        responses={**MAP, 200: {"model": MapAnswer, "description": "The map"}},
        summary="All pictures laid out by their topics",
    )
    async def picture_map() -> Response:
        """What `topicidx map` made: similar pictures near each other, with their cities and leading topics."""
        return Response(await service.answer(service.maps.of), media_type="application/json")

    @api.post("/encode", responses=BODY, summary="Vectors of texts")
    async def encode(request: EncodeRequest) -> EncodeAnswer:
        """For programs that ask Qdrant themselves."""
        return await service.answer(partial(answers.encode, request=request))

    @api.post("/similar", responses=BODY, summary="Search by an uploaded picture")
    async def similar_to_upload(
        file: Annotated[UploadFile, File(description="A picture: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000.")],
        city: Annotated[list[str], Form(max_length=50)] = [],  # noqa: B006
        limit: Annotated[int, Form(ge=1, le=200)] = 24,
        offset: Annotated[int, Form(ge=0, le=10_000)] = 0,
    ) -> SearchAnswer:
        """The pictures most like it. The upload is looked at and forgotten."""
        name, asked = (file.filename or "picture")[:200], Asked(limit, offset, city)
        return await service.encode_and_answer(
            file.file, lambda opened, vector: answers.similar_to_vector(opened, vector, name, asked)
        )

    @api.post("/session", responses=BODY, summary="Begin a session of a browser")
    async def session(body: SessionRequest, request: Request, response: Response) -> SessionAnswer:
        """Gives a browser that shows the token a cookie in place of it, which its scripts cannot read."""
        token = service.options.token
        if token is None:
            return SessionAnswer(needed=False)
        if not same(body.token, token):
            raise WrongTokenError
        response.set_cookie(
            COOKIE,
            session_value(token),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            path="/",
        )
        return SessionAnswer(needed=True)

    _add_pictures(api, service)
    return api


def _add_pictures(api: APIRouter, service: Service) -> None:
    @api.get("/pictures/{picture}", responses=NOT_FOUND, tags=["pictures"], summary="All that is known of a picture")
    async def picture(picture: PictureId) -> PictureDetail:
        """Its payload, and its leading topics."""
        return await service.answer(partial(answers.picture, wanted=picture))

    @api.get("/pictures/{picture}/similar", responses=NOT_FOUND, tags=["pictures"], summary="Pictures like this one")
    async def similar(
        picture: PictureId,
        city: Cities = [],  # noqa: B006
        explain: bool = False,
        limit: Limit = 24,
        offset: Offset = 0,
    ) -> SearchAnswer:
        """Those most like it, without itself."""
        asked = Asked(limit, offset, city, explain=explain)
        return await service.answer(partial(answers.similar, picture=picture, asked=asked))

    @api.get(
        "/pictures/{picture}/thumbnail",
        response_class=Response,
        responses={**NOT_FOUND, **_PICTURE_RESPONSES, 200: {"content": {"image/jpeg": {}}, "description": "A JPEG"}},
        tags=["pictures"],
        summary="The picture made small",
    )
    async def thumbnail(
        picture: PictureId,
        request: Request,
        size: Annotated[
            Literal[160, 320, 640], BeforeValidator(int), Query(description="Pixels on the longer side.")
        ] = 320,
    ) -> Response:
        """An upright JPEG."""
        path, key = await service.answer(partial(answers.picture_file, wanted=picture, fetch=service.options.fetch))
        tag = await service.decode(partial(_tag, path, key, size))
        headers = {"ETag": tag, "Cache-Control": _KEEP}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        made = await service.decode(partial(_thumbnail, service, path, key, size))
        return Response(made, media_type="image/jpeg", headers=headers)

    @api.get(
        "/pictures/{picture}/file",
        response_class=FileResponse,
        responses={**NOT_FOUND, **_PICTURE_RESPONSES, 200: {"content": _CONTENT, "description": "The file"}},
        tags=["pictures"],
        summary="The picture itself",
    )
    async def file(picture: PictureId, request: Request) -> Response:
        """The file as it was indexed, of the kind that its name says."""
        path, key = await service.answer(partial(answers.picture_file, wanted=picture, fetch=service.options.fetch))
        kind = TYPES.get(PurePosixPath(key).suffix.lower())
        if kind is None:
            raise NotHereError(f"{key} has no ending of a picture")
        tag = await service.decode(partial(_tag, path, key, 0))
        headers = {"ETag": tag, "Cache-Control": _KEEP, "Content-Disposition": "inline"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if isinstance(path, Path):
            return FileResponse(path, media_type=kind, headers=headers)
        data = await service.decode(partial(_bytes, path, key))
        return Response(data, media_type=kind, headers=headers)


def _tag(path: PictureFile, key: str, size: int) -> str:
    """What names a picture's file as it is now. Raises NotHereError where there is none."""
    try:
        status = path.stat()
    except OSError as error:
        raise NotHereError(f"the file of {key} is not there any more: {error.strerror}") from error
    if isinstance(status, os.stat_result) and not stat.S_ISREG(status.st_mode):
        raise NotHereError(f"{key} is no file any more")
    facts = f"{key}\0{status.st_size}\0{status.st_mtime_ns}\0{size}"
    return f'"{hashlib.sha256(facts.encode()).hexdigest()[:32]}"'


def _bytes(path: PictureFile, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotHereError(f"the file of {key} is not there any more: {error}") from error


def _thumbnail(service: Service, path: PictureFile, key: str, size: int) -> bytes:
    try:
        return service.thumbnails.of(path, size)
    except (ImageError, OSError) as error:
        raise NotHereError(f"{key} cannot be shown any more: {error}") from error
