"""The ASGI application: API, pages, health and metrics, behind what guards them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp

from topicidx.service.access import Access
from topicidx.service.failures import answer_failures
from topicidx.service.guard import Guard
from topicidx.service.models import Health, Readiness
from topicidx.service.pages import pages
from topicidx.service.routes import routes
from topicidx.service.service import Service
from topicidx.version import __version__


def create_app(service: Service) -> ASGIApp:
    """The application of `service`, which it stops when it ends; closing it stays with the caller."""
    app = create_api(service)
    return Access(Guard(app, service.options), service.metrics, log_queries=service.options.log_queries)


def create_api(service: Service) -> FastAPI:
    """The endpoints and pages alone. Of `service` only the options are looked at before the first request."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.stop()

    app = FastAPI(
        title="topicidx",
        version=__version__,
        description="Search your own pictures by words, learned from the captions those pictures already have.",
        docs_url=None,  # they take scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    answer_failures(app)
    app.include_router(routes(service))
    app.include_router(_upkeep(service))
    app.include_router(pages())
    return app


def _upkeep(service: Service) -> APIRouter:
    router = APIRouter(tags=["upkeep"])

    @router.get("/healthz", summary="Does it run?")
    async def healthz() -> Health:
        """It does, whatever becomes of the index."""
        return Health(version=__version__)

    @router.get("/readyz", summary="Does it answer from what is there now?", responses={503: {"model": Readiness}})
    async def readyz(response: Response) -> Readiness:
        """Not where the index, or one that took its place, cannot be opened."""
        answer = await service.readiness()
        response.status_code = 200 if answer.ready else 503
        return answer

    @router.get(
        "/metrics",
        summary="Numbers for Prometheus",
        response_class=Response,
        responses={200: {"content": {CONTENT_TYPE_LATEST: {}}}},
    )
    async def metrics() -> Response:
        """In Prometheus' text format."""
        metrics = service.metrics
        readiness = await service.readiness()
        metrics.ready.set(readiness.ready)
        metrics.pictures.set(readiness.pictures or 0)
        thumbnails = service.thumbnails
        metrics.thumbnail_bytes.set(thumbnails.bytes)
        metrics.thumbnails.labels("yes").set(thumbnails.hits)
        metrics.thumbnails.labels("no").set(thumbnails.misses)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router
