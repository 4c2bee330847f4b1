"""What goes wrong between client and server: which failures pass by themselves, and what each of them is called here."""

from http import HTTPStatus
from json import JSONDecodeError
from typing import Any

import grpc  # type: ignore[import-untyped]
import httpx
from grpc import StatusCode
from pydantic import ValidationError
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from topicidx.errors import StoreDamagedError, StoreError, StoreFullError, StoreNotFoundError, StoreUnreachableError

#: What a client raises that is neither a bug here nor a wish to stop. The last three are how the client says that it is
#: closed or that a value cannot be sent, and how its local mode says what a server would.
FAILURES = (grpc.RpcError, QdrantException, ApiException, httpx.HTTPError, OSError, ValueError, KeyError, RuntimeError)

_PASSING_CODES = {
    StatusCode.UNAVAILABLE,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.ABORTED,
    StatusCode.INTERNAL,
    StatusCode.CANCELLED,  # by a server that is stopping: nothing here cancels a request
}
_PASSING_STATUSES = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_REFUSED: set[Any] = {
    StatusCode.UNAUTHENTICATED,
    StatusCode.PERMISSION_DENIED,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
}
_NOT_FOUND: set[Any] = {StatusCode.NOT_FOUND, HTTPStatus.NOT_FOUND}
_LONGEST_REASON = 300


def passes(error: BaseException) -> bool:
    """Whether the same request may succeed when it is made again."""
    if isinstance(error, ResponseHandlingException):
        error = error.source
    if _is_full(error):
        return False
    if isinstance(error, UnexpectedResponse):
        status = error.status_code or 0
        return status in _PASSING_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, grpc.RpcError):
        return _status(error) in _PASSING_CODES
    return isinstance(error, (QdrantException, httpx.TransportError, ConnectionError, TimeoutError))


def seconds_asked_for(error: BaseException | None) -> float | None:
    """How long the server asks to be left alone, where it says so."""
    return float(error.retry_after_s) if isinstance(error, ResourceExhaustedResponse) else None


def store_error(error: Exception, server: str) -> StoreError:
    """The error that is raised in place of a client's."""
    if isinstance(error, ResponseHandlingException):
        error = error.source
    reason, status = _reason(error), _status(error)
    if _is_full(error):
        return StoreFullError(
            f"the server {server} has no disk space left ({reason}); make room and run the same command again: it goes on from "
            "where it stopped"
        )
    if status in _REFUSED:
        return StoreUnreachableError(
            f"the server {server} refuses access ({reason}); set its API key in the variable TOPICIDX_API_KEY, or name a file "
            "that holds it with api_key_file (in topicidx.toml, under [server])"
        )
    if passes(error):
        return StoreUnreachableError(
            f"the server {server} does not answer ({reason}); is it running, and is that its address? --store names another, "
            "and grpc_port (in topicidx.toml, under [server]) the port of its gRPC interface"
        )
    if status in _NOT_FOUND:
        return StoreNotFoundError(f"the server {server} has not got it ({reason})")
    if isinstance(error, (ValidationError, JSONDecodeError)):
        return StoreDamagedError(f"{server} does not answer as a Qdrant server does; is that its address?")
    return StoreError(f"the server {server} could not do it: {reason}")


def _status(error: BaseException) -> StatusCode | int | None:
    """The gRPC code or HTTP status of an answer."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code
    code = getattr(error, "code", None)
    return code() if isinstance(error, grpc.RpcError) and callable(code) else None


def _is_full(error: BaseException) -> bool:
    return "no space left" in _reason(error).lower()


def _reason(error: BaseException) -> str:
    if isinstance(error, UnexpectedResponse):
        text = f"HTTP {error.status_code}: {_told(error)}"
    elif isinstance(error, grpc.RpcError) and hasattr(error, "code"):
        text = f"{error.code().name}: {error.details()}"
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())[:_LONGEST_REASON]


def _told(error: UnexpectedResponse) -> str:
    try:
        return str(error.structured()["status"]["error"])
    except (ValueError, KeyError, TypeError):
        return error.reason_phrase
