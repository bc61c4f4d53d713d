"""The HTTP side of a service: health, metrics and its own endpoints behind keys."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cvops_common import access
from cvops_common.app import App, HttpRoute
from cvops_common.errors import (
    AlreadyExists,
    BadArgument,
    Conflict,
    CvopsError,
    Forbidden,
    NotFound,
    Overloaded,
    Rejected,
    Unauthenticated,
    Unavailable,
)
from cvops_common.settings import ServiceSettings
from cvops_common.telemetry import logger

log = logger(__name__)

_STATUS: tuple[tuple[type[CvopsError], int], ...] = (
    (NotFound, 404),
    (AlreadyExists, 409),
    (Conflict, 409),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (Rejected, 400),
    (Overloaded, 429),
    (Unavailable, 503),
)


def asgi(app: App, keys: access.KeyFile) -> Starlette:
    """The HTTP application of a service."""

    async def live(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(_: Request) -> Response:
        checks = {"bus": app.bus.check()} | {name: await check() for name, check in app.checks.items()}
        well = not any(checks.values())
        return JSONResponse({"ready": well, "checks": checks}, status_code=200 if well else 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    routes = [Route("/health/live", live), Route("/health/ready", ready), Route("/metrics", metrics)]
    routes += [Route(route.path, _behind_key(route, keys), methods=list(route.methods)) for route in app.http]
    return Starlette(routes=routes)


def _behind_key(route: HttpRoute, keys: access.KeyFile) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            access.enter(access.admit(keys, dict(request.headers), route.roles, f"{request.method} {route.path}"))
            return await route.endpoint(request)
        except CvopsError as error:
            status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
            return JSONResponse({"reason": error.reason, "message": str(error)}, status_code=status)

    return endpoint


@asynccontextmanager
async def http_server(app: App, keys: access.KeyFile, settings: ServiceSettings) -> AsyncIterator[None]:
    """Serves while open."""
    host, _, port = settings.http_listen.rpartition(":")
    config = uvicorn.Config(
        asgi(app, keys),
        host=host,
        port=int(port),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=int(settings.shutdown_s),
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if serving.done():
                raise BadArgument(f"cannot listen on {settings.http_listen}: is another process there?")
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        with suppress(SystemExit):
            await serving


class _Server(uvicorn.Server):
    """uvicorn that leaves the signals of the process to the runner."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Captures none."""
        return nullcontext()
