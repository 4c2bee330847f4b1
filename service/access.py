"""Access: each request in the log and in the metrics."""

import json
import logging
import time
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

access_log = logging.getLogger("topicidx.access")


class Metrics:
    """What Prometheus is told of a service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "topicidx_requests", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "topicidx_request_seconds", "Seconds from a request to the end of its answer", ("route",),
            registry=self.registry,
        )  # fmt: skip
        self.under_way = Gauge("topicidx_requests_under_way", "Requests being answered", registry=self.registry)
        self.pictures = Gauge("topicidx_pictures", "Pictures in the index", registry=self.registry)
        self.ready = Gauge("topicidx_ready", "Whether answers come from what is there now", registry=self.registry)
        self.thumbnail_bytes = Gauge("topicidx_thumbnail_bytes", "Bytes of thumbnails kept", registry=self.registry)
        self.thumbnails = Gauge(
            "topicidx_thumbnails", "Thumbnails served, by whether they were kept", ("kept",), registry=self.registry
        )


class Access:
    """Wraps an application: counts its requests, and writes a line for each. Queries are left out unless `log_queries`."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, log_queries: bool = False) -> None:
        self._app = app
        self._metrics = metrics
        self._log_queries = log_queries

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        status, size = 0, 0

        async def noting(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = int(message["status"])
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            with self._metrics.under_way.track_inprogress():
                await self._app(scope, receive, noting)
        finally:
            seconds = time.perf_counter() - begin
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(_known_method(scope["method"]), route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(seconds)
            self._write(scope, status, size, seconds)

    def _write(self, scope: Scope, status: int, size: int, seconds: float) -> None:
        client = scope.get("client")
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "client": client[0] if client else None,
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "bytes": size,
            "ms": round(seconds * 1_000, 1),
        }
        if self._log_queries:
            line["query"] = scope["query_string"].decode("latin-1")
        # ASCII, so that no path can begin a line of its own.
        access_log.info(json.dumps(line))


def log_to_stderr() -> None:
    """Write the lines of the access log as they are, each a JSON object."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    access_log.handlers[:] = [handler]
    access_log.setLevel(logging.INFO)
    access_log.propagate = False


def _known_method(method: str) -> str:
    return method if method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} else "other"
