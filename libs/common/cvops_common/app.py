"""An app: what a service is made of, put together by its `build()` and run by `runner.run`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cvops_common.access import Role
from cvops_common.bus import Bus


@dataclass(frozen=True, slots=True)
class GrpcService:
    """A gRPC service.

    Attributes:
        add: the generated `add_XServicer_to_server`.
        servicer: implements it; errors of our tree become status codes.
        roles: for each method by name, who may call it; ADMIN always may. A method that is not named is for ADMIN only.
    """

    add: Callable[[Any, Any], None]
    servicer: Any
    roles: Mapping[str, frozenset[Role]]


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """An HTTP endpoint: `endpoint` answers `methods` on `path` for callers with one of `roles`, or ADMIN."""

    path: str
    endpoint: Callable[[Request], Awaitable[Response]]
    roles: frozenset[Role]
    methods: Sequence[str] = ("GET",)


@dataclass(frozen=True, slots=True)
class App:
    """A service, wired but not started.

    Attributes:
        bus: with the handlers declared on it.
        grpc: gRPC services.
        http: endpoints beside health and metrics, which every service has.
        before: entered in order before the bus: stores and engines.
        after: entered in order after the bus: what publishes by itself.
        checks: by name, None when well or a sentence; all well and the bus consuming means ready.
    """

    bus: Bus
    grpc: Sequence[GrpcService] = ()
    http: Sequence[HttpRoute] = ()
    before: Sequence[AbstractAsyncContextManager[Any]] = ()
    after: Sequence[AbstractAsyncContextManager[Any]] = ()
    checks: Mapping[str, Callable[[], Awaitable[str | None]]] = field(default_factory=dict)
