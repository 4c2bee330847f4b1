"""Failures: what the API answers where it cannot answer, by kinds of errors."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from topicidx.errors import (
    FilterSyntaxError,
    ImageError,
    MapError,
    MapNotFoundError,
    QueryError,
    SettingsError,
    TopicidxError,
    UnknownPictureError,
)
from topicidx.service.answers import NotHereError
from topicidx.service.models import ErrorAnswer, ErrorDetail
from topicidx.service.work import BusyError, TooSlowError

logger = logging.getLogger(__name__)

#: Seconds after which a request that found all busy may be tried again.
RETRY_AFTER = 1

#: What every endpoint of the API may answer besides what it promises, for its OpenAPI document.
EVERYWHERE: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorAnswer, "description": "The token is missing or wrong"},
    403: {"model": ErrorAnswer, "description": "Another website asked"},
    422: {"model": ErrorAnswer, "description": "What was asked for cannot be answered; the message says why"},
    503: {"model": ErrorAnswer, "description": "The store or the topic space cannot be used now, or too many ask"},
    504: {"model": ErrorAnswer, "description": "The answer took too long"},
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorAnswer, "description": "There is no such picture or topic"},
}
MAP: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorAnswer, "description": "There is no map yet"},
    409: {"model": ErrorAnswer, "description": "The map there is cannot be used; the message says why"},
}
BODY: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "The body cannot be read"},
    408: {"model": ErrorAnswer, "description": "The body took too long to arrive"},
    413: {"model": ErrorAnswer, "description": "The body is too large"},
}


class WrongTokenError(Exception):
    """A session was asked for with another token."""


def failure(status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error as a response."""
    body = ErrorAnswer(error=ErrorDetail(type=kind, message=message))
    return JSONResponse(body.model_dump(), status, headers)


def answer_failures(app: FastAPI) -> None:
    """Make `app` answer errors as this module says."""
    app.add_exception_handler(TopicidxError, _known)
    app.add_exception_handler(RequestValidationError, _wrong_request)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(WrongTokenError, _wrong_token)
    app.add_exception_handler(BusyError, _busy)
    app.add_exception_handler(TooSlowError, _too_slow)
    app.add_exception_handler(Exception, _bug)


def _known(_: Request, error: Exception) -> JSONResponse:
    kind = type(error).__name__
    if isinstance(error, NotHereError):
        return failure(404, UnknownPictureError.__name__, str(error))
    if isinstance(error, MapError):
        return failure(404 if isinstance(error, MapNotFoundError) else 409, kind, str(error))
    if isinstance(error, QueryError | SettingsError | ImageError | FilterSyntaxError):
        return failure(422, kind, str(error))
    logger.error("%s: %s", kind, error)
    return failure(503, kind, str(error))


def _wrong_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = []
    for problem in error.errors():
        place = [str(part) for part in problem["loc"][1:]] or [str(problem["loc"][0])]
        problems.append(f"{'.'.join(place)}: {problem['msg'][:1].lower()}{problem['msg'][1:]}")
    return failure(422, "RequestError", "; ".join(problems))


def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return failure(error.status_code, "RequestError", str(error.detail), dict(error.headers or {}))


def _wrong_token(_: Request, __: Exception) -> JSONResponse:
    return failure(401, "TokenError", "this is not the token that the service was started with")


def _busy(_: Request, __: Exception) -> JSONResponse:
    message = "too many requests are waiting; try again in a moment"
    return failure(503, "BusyError", message, {"Retry-After": str(RETRY_AFTER)})


def _too_slow(_: Request, __: Exception) -> JSONResponse:
    return failure(504, "TooSlowError", "the answer took too long; ask for less, or later")


def _bug(_: Request, __: Exception) -> JSONResponse:
    return failure(500, "InternalError", "something went wrong that should not; the log of the service has more")
