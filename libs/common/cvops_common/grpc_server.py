"""The gRPC side of a service: keys at the door, errors as status codes, TLS by settings."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc.aio import ServerInterceptor

from cvops_common import access
from cvops_common.app import GrpcService
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

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_STATUS: tuple[tuple[type[CvopsError], grpc.StatusCode], ...] = (
    (NotFound, grpc.StatusCode.NOT_FOUND),
    (AlreadyExists, grpc.StatusCode.ALREADY_EXISTS),
    (Conflict, grpc.StatusCode.ABORTED),
    (Unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
    (Forbidden, grpc.StatusCode.PERMISSION_DENIED),
    (Rejected, grpc.StatusCode.INVALID_ARGUMENT),
    (Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (Unavailable, grpc.StatusCode.UNAVAILABLE),
)
_STREAM_GRACE_S = 1.0
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)


def status_of(error: CvopsError) -> grpc.StatusCode:
    """The status code that stands for an error."""
    return next((code for kind, code in _STATUS if isinstance(error, kind)), grpc.StatusCode.INTERNAL)


@asynccontextmanager
async def grpc_server(
    services: Sequence[GrpcService], keys: access.KeyFile, settings: ServiceSettings
) -> AsyncIterator[grpc.aio.Server]:
    """Serves while open; at the end calls in flight get `shutdown_s` to finish, streams, which never do, a second."""
    door = _Door(services, keys)
    server = grpc.aio.server(interceptors=[door], options=_OPTIONS)
    for service in services:
        service.add(service.servicer, server)
    if settings.tls_cert is not None and settings.tls_key is not None:
        pair = (settings.tls_key.read_bytes(), settings.tls_cert.read_bytes())
        port = server.add_secure_port(settings.grpc_listen, grpc.ssl_server_credentials([pair]))
    else:
        port = server.add_insecure_port(settings.grpc_listen)
    if port == 0:
        raise BadArgument(f"cannot listen on {settings.grpc_listen}: is another process there?")
    await server.start()
    try:
        yield server
    finally:
        await asyncio.gather(server.stop(settings.shutdown_s), door.close(min(settings.shutdown_s, _STREAM_GRACE_S)))


class _Door(ServerInterceptor):  # type: ignore[type-arg]
    """Admits callers by key and role, and turns errors into status codes. Wraps all four kinds of methods."""

    def __init__(self, services: Sequence[GrpcService], keys: access.KeyFile) -> None:
        self._roles = {method: roles for service in services for method, roles in service.roles.items()}
        self._keys = keys
        self._streams: set[asyncio.Task[Any]] = set()
        self._closing = False

    async def close(self, grace_s: float) -> None:
        """Ends the calls that answer with a stream, after `grace_s`; their callers are told to call again."""
        await asyncio.sleep(grace_s if self._streams else 0)
        self._closing = True
        for task in self._streams:
            task.cancel()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of the call, wrapped."""
        handler: Any = await continuation(handler_call_details)
        return handler and self._wrap(handler, handler_call_details.method)

    def _wrap(self, handler: Any, path: str) -> Any:
        roles = self._roles.get(path.rpartition("/")[2], frozenset())

        def admit(context: Any) -> None:
            headers = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
            access.enter(access.admit(self._keys, headers, roles, path))

        async def answer(request: Any, context: Any) -> Any:
            async with _errors_as_status(context, path):
                admit(context)
                return await inner(request, context)

        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            async with _errors_as_status(context, path), self._closable():
                admit(context)
                async for message in inner(request, context):
                    yield message

        codecs = (handler.request_deserializer, handler.response_serializer)
        if handler.unary_unary:
            inner = handler.unary_unary
            return grpc.unary_unary_rpc_method_handler(answer, *codecs)
        if handler.stream_unary:
            inner = handler.stream_unary
            return grpc.stream_unary_rpc_method_handler(answer, *codecs)
        if handler.unary_stream:
            inner = handler.unary_stream
            return grpc.unary_stream_rpc_method_handler(stream, *codecs)
        inner = handler.stream_stream
        return grpc.stream_stream_rpc_method_handler(stream, *codecs)

    @asynccontextmanager
    async def _closable(self) -> AsyncIterator[None]:
        """Turns the cancellation of `close` into an answer."""
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if not self._closing:
                raise
            task.uncancel()
            raise Unavailable("the service is stopping: call again") from None
        finally:
            self._streams.discard(task)


@asynccontextmanager
async def _errors_as_status(context: Any, path: str) -> AsyncIterator[None]:
    try:
        yield
    except CvopsError as error:
        await context.abort(status_of(error), str(error), (("cvops-reason", error.reason),))
    except (grpc.aio.AbortError, grpc.RpcError):
        raise
    except Exception:
        log.exception("call failed", call=path)
        await context.abort(
            grpc.StatusCode.INTERNAL, f"{path} failed in an unforeseen way; the log of the service says more"
        )
