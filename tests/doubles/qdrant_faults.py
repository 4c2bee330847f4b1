"""What a Qdrant double notes of every call, and what it can be told to do wrong with one."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import Message

Action = TypeVar("Action")


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it arrived: method ("Points/Upsert"), protobuf request, headers such as "api-key".

    applied: whether the double did what was asked; code and details: its answer, None and "" while there is none.
    """

    method: str
    request: Message
    metadata: Mapping[str, str]
    applied: bool = False
    code: grpc.StatusCode | None = None
    details: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a call: it waits `seconds`, and is answered with `code` and `details` (None: as if nothing had happened).

    applied: whether what was asked is done, before the wait. Where it is not and there is no code, it is done after the wait,
    or never if the client gave up meanwhile. trailing: metadata that comes with the answer.
    """

    code: grpc.StatusCode | None = None
    details: str = ""
    applied: bool = False
    seconds: float = 0
    trailing: tuple[tuple[str, str], ...] = ()


def refuse() -> Fault:
    """The server cannot be reached; nothing is applied."""
    return Fault(grpc.StatusCode.UNAVAILABLE, "Connection refused")


def drop() -> Fault:
    """The call is applied, but the connection is lost before the answer."""
    return Fault(grpc.StatusCode.UNAVAILABLE, "Socket closed", applied=True)


def delay(seconds: float, *, applied: bool = False) -> Fault:
    """The answer comes late. A client whose deadline passes ends the wait: then the call was applied if `applied`, else never."""
    return Fault(seconds=seconds, applied=applied)


def rate_limit(retry_after: int = 1) -> Fault:
    """Too many requests; nothing is applied. The client library raises ResourceExhaustedResponse, if retry_after is not 0."""
    details = "Rate limiting exceeded: Write rate limit exceeded, retry later"
    return Fault(grpc.StatusCode.RESOURCE_EXHAUSTED, details, trailing=(("retry-after", str(retry_after)),))


def unauthenticated() -> Fault:
    """The API key is unknown."""
    return Fault(grpc.StatusCode.UNAUTHENTICATED, "Invalid API key or JWT")


def permission_denied() -> Fault:
    """The API key is known, and does not suffice for this call."""
    return Fault(grpc.StatusCode.PERMISSION_DENIED, "Forbidden: Global manage access is required")


def status(code: grpc.StatusCode, details: str = "", *, applied: bool = False) -> Fault:
    """Any answer."""
    return Fault(code, details, applied)


@dataclass(slots=True)
class Rule(Generic[Action]):
    """An action for calls whose method matches `method` ("Points/Upsert", "Points/*"): for the `times` after the first `after`.

    times: None for all of them. fired: how often it has acted.
    """

    method: str
    action: Action
    times: int | None = 1
    after: int = 0
    seen: int = 0
    fired: int = 0

    def is_due(self, method: str) -> bool:
        """Whether this call is one to act on. To be asked once for every call."""
        if not fnmatchcase(method, self.method):
            return False
        self.seen += 1
        return self.seen > self.after and (self.times is None or self.fired < self.times)


class Pause:
    """Holds a call up before it is applied, until it is released."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._released = threading.Event()

    def __call__(self, call: Call) -> None:
        self._reached.set()
        self._released.wait()

    def wait(self, timeout: float = 60) -> None:
        """Return when a call is held up. Raises TimeoutError if none comes."""
        if not self._reached.wait(timeout):
            raise TimeoutError("no call has come")

    def release(self) -> None:
        """Let the call go on."""
        self._released.set()
