"""A Qdrant server for tests: real gRPC on a loopback port over an in-memory engine, which records calls and fails on demand."""

import importlib.metadata
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, Self

import grpc
from google.protobuf.message import Message
from qdrant_client import QdrantClient
from qdrant_client import grpc as q

from doubles.qdrant_collections import Collections, RefusedError, Root, State, refused
from doubles.qdrant_faults import Call, Fault, Pause, Rule
from doubles.qdrant_points import Points

Hook = Callable[[Call], object]
Moment = Literal["before", "after"]
Behavior = Callable[[Message, grpc.ServicerContext], Message]
#: Held up and delayed calls keep a thread each.
THREADS = 32
THREAD_NAME = "qdrant-double"


class QdrantDouble:
    """A stand-in for a Qdrant server, spoken to over gRPC by any process; there is no REST. Use it in a `with` block.

    It listens from the start on `port` of 127.0.0.1. `url` names it to programs that want an address: its port is the same, so
    that a REST request to it fails. Methods are named "Points/Upsert", "Collections/Get", "Qdrant/HealthCheck"; where a method
    is asked for, "Points/*" and "*" mean several.
    """

    def __init__(self, version: str | None = None) -> None:
        self._state = State()
        self._root = Root(version or importlib.metadata.version("qdrant-client"))
        self._lock = threading.Condition()
        self._calls: list[_Entry] = []
        self._faults: list[Rule[Fault]] = []
        self._hooks: list[tuple[Moment, Rule[Hook]]] = []
        self._pauses: list[Pause] = []
        self._api_key: str | None = None
        self._server: grpc.Server | None = None
        self._threads: ThreadPoolExecutor | None = None
        self.port = 0
        self.listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def memory(self) -> QdrantClient:
        """The in-memory client with everything that is stored. Not to be used while a call is under way."""
        return self._state.memory

    @property
    def version(self) -> str:
        """The version that it says it has."""
        return self._root.version

    @version.setter
    def version(self, version: str) -> None:
        self._root.version = version

    def client(self, **options: Any) -> QdrantClient:
        """A new client of it, over gRPC, with a connection of its own."""
        options["grpc_options"] = {"grpc.use_local_subchannel_pool": 1, **options.get("grpc_options", {})}
        options = {"verify": False, **options}  # loading certificates takes longest, and REST is not spoken
        return QdrantClient(url=self.url, grpc_port=self.port, prefer_grpc=True, check_compatibility=False, **options)

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls so far, in the order in which they arrived."""
        with self._lock:
            return tuple(entry.call for entry in self._calls)

    def calls_of(self, method: str) -> list[Call]:
        """The calls of a method, in the order in which they arrived."""
        return [call for call in self.calls if fnmatchcase(call.method, method)]

    def settle(self, timeout: float = 60) -> None:
        """Return when every call has been answered, of clients that have died or given up too. Raises TimeoutError."""
        with self._lock:
            if not self._lock.wait_for(lambda: all(entry.call.code for entry in self._calls), timeout):
                raise TimeoutError(
                    f"not answered: {[entry.call.method for entry in self._calls if not entry.call.code]}"
                )

    def forget_calls(self) -> None:
        """Begin to record anew."""
        with self._lock:
            self._calls.clear()

    def fail(self, method: str, fault: Fault, times: int | None = 1, after: int = 0) -> Rule[Fault]:
        """Let the `times` (None: all) calls of a method after the next `after` have a fault.

        Of several faults that a call could have, it has the one that was asked for first. `fired` of what is returned counts.
        """
        rule = Rule(method, fault, times, after)
        with self._lock:
            self._faults.append(rule)
        return rule

    def heal(self) -> None:
        """Forget all faults and hooks, and let go on what is paused."""
        with self._lock:
            self._faults.clear()
            self._hooks.clear()
        self._release_paused()

    def on(
        self,
        method: str,
        callback: Hook,
        times: int | None = None,
        after: int = 0,
        *,
        when: Moment = "before",
    ) -> Rule[Hook]:
        """Have `callback(call)` called before a call is applied, or after (and before it is answered).

        It runs in a thread of the server, and may use any client, kill the caller or stop the double from listening. A call
        whose caller was killed before it was applied is applied all the same: add a `refuse()` where it is to be lost. What the
        callback raises becomes the answer, with code INTERNAL.
        """
        rule = Rule(method, callback, times, after)
        with self._lock:
            self._hooks.append((when, rule))
        return rule

    def pause(self, method: str, after: int = 0) -> Pause:
        """Hold up the next call of a method (after the next `after`) before it is applied, until it is released."""
        pause = Pause()
        self._pauses.append(pause)
        self.on(method, pause, 1, after)
        return pause

    def require_api_key(self, key: str | None) -> None:
        """Refuse calls without this API key. The health check needs none, as on a server."""
        self._api_key = key

    def stay_yellow(self, times: int) -> None:
        """Say of a collection that it is being optimized, the next `times` it is asked for."""
        self._state.yellow = times

    def require_indexes(self, required: bool = True) -> None:
        """Refuse filters on payload fields without an index, as collections in strict mode do (those of Qdrant Cloud are)."""
        self._state.strict = required

    def listen(self) -> None:
        """Start to listen, on the same port as before; what is stored has stayed."""
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=THREAD_NAME)
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
        self._server = grpc.server(self._threads, interceptors=[_Interceptor(self._serve)], options=options)
        q.add_QdrantServicer_to_server(self._root, self._server)
        q.add_CollectionsServicer_to_server(Collections(self._state), self._server)
        q.add_PointsServicer_to_server(Points(self._state), self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop_listening(self) -> None:
        """Break all connections and refuse new ones, as a server that was killed."""
        server, threads, self._server, self._threads = self._server, self._threads, None, None
        if server is None or threads is None:
            return
        stopped = server.stop(None)
        self._release_paused()
        if not threading.current_thread().name.startswith(THREAD_NAME):  # a hook would wait for itself
            stopped.wait()
        threads.shutdown(wait=False)

    def close(self) -> None:
        """Stop for good."""
        self.stop_listening()
        self._state.memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _release_paused(self) -> None:
        for pause in self._pauses:
            pause.release()

    def _serve(self, method: str, behavior: Behavior, request: Message, context: grpc.ServicerContext) -> Message:
        """Record a call and answer it."""
        metadata = {item.key: item.value for item in context.invocation_metadata()}
        entry = _Entry(Call(method, request, MappingProxyType(metadata)))
        with self._lock:
            self._calls.append(entry)
        try:
            response = self._answer(entry, behavior, context)
        except RefusedError as answer:
            self._note_answer(entry, answer.code, answer.details)
            context.set_trailing_metadata(answer.trailing)
            context.abort(answer.code, answer.details)
        self._note_answer(entry, grpc.StatusCode.OK)
        return response

    def _note_answer(self, entry: "_Entry", code: grpc.StatusCode, details: str = "") -> None:
        with self._lock:
            entry.note(code=code, details=details)
            self._lock.notify_all()

    def _answer(self, entry: "_Entry", behavior: Behavior, context: grpc.ServicerContext) -> Message:
        self._check_key(entry.call)
        server = self._server
        self._run_hooks("before", entry.call)
        if self._server is not server:
            raise RefusedError(grpc.StatusCode.UNAVAILABLE, "the server has stopped")
        fault = self._next_fault(entry.call.method)
        if not fault.applied:
            _suffer(fault, context)
        response = self._apply(behavior, entry.call.request, context)
        entry.note(applied=True)
        self._run_hooks("after", entry.call)
        if fault.applied:
            _suffer(fault, context)
        return response

    def _check_key(self, call: Call) -> None:
        if self._api_key is None or call.method == "Qdrant/HealthCheck":
            return
        given = call.metadata.get("api-key") or call.metadata.get("authorization", "").removeprefix("Bearer ")
        if not given:
            details = "Must provide an API key or an Authorization bearer token"
            raise RefusedError(grpc.StatusCode.UNAUTHENTICATED, details)
        if given != self._api_key:
            raise RefusedError(grpc.StatusCode.UNAUTHENTICATED, "Invalid API key or JWT")

    def _run_hooks(self, moment: Moment, call: Call) -> None:
        with self._lock:
            due = [rule for when, rule in self._hooks if when == moment and rule.is_due(call.method)]
            for rule in due:
                rule.fired += 1
        for rule in due:
            try:
                rule.action(call)
            except Exception as error:
                raise RefusedError(grpc.StatusCode.INTERNAL, f"the test's hook failed: {error!r}") from error

    def _next_fault(self, method: str) -> Fault:
        with self._lock:
            due = [rule for rule in self._faults if rule.is_due(method)]
            if not due:
                return Fault()
            due[0].fired += 1
            return due[0].action

    def _apply(self, behavior: Behavior, request: Message, context: grpc.ServicerContext) -> Message:
        try:
            with self._state.lock:
                return behavior(request, context)
        except RefusedError:
            raise
        except ValueError as error:
            raise refused(error) from error
        except NotImplementedError as error:
            raise RefusedError(grpc.StatusCode.UNIMPLEMENTED, f"not imitated: {error}") from error
        except Exception as error:
            raise RefusedError(grpc.StatusCode.INTERNAL, f"Service internal error: {error!r}") from error


class _Entry:
    """A call that is recorded, and what has become of it so far."""

    def __init__(self, call: Call) -> None:
        self.call = call

    def note(self, **changes: Any) -> None:
        self.call = replace(self.call, **changes)


class _Interceptor(grpc.ServerInterceptor):
    """Has every call go through `serve`."""

    def __init__(self, serve: Callable[..., Message]) -> None:
        self._serve = serve

    def intercept_service(self, continuation: Callable[..., Any], details: grpc.HandlerCallDetails) -> Any:
        handler = continuation(details)
        if handler is None:
            return None
        return grpc.unary_unary_rpc_method_handler(
            partial(self._serve, details.method.removeprefix("/qdrant."), handler.unary_unary),
            handler.request_deserializer,
            handler.response_serializer,
        )


def _suffer(fault: Fault, context: grpc.ServicerContext) -> None:
    if fault.seconds:
        gone = threading.Event()
        if not context.add_callback(gone.set) or gone.wait(fault.seconds):
            raise RefusedError(grpc.StatusCode.CANCELLED, "the client gave up")
    if fault.code is not None:
        raise RefusedError(fault.code, fault.details, fault.trailing)
