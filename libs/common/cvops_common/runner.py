"""Runs a service: `run(build, Settings)` is all that a `__main__.py` holds."""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TypeVar

import uvloop
from pydantic import ValidationError

from cvops_common import telemetry
from cvops_common.access import KeyFile
from cvops_common.app import App
from cvops_common.errors import CvopsError, Unavailable
from cvops_common.grpc_server import grpc_server
from cvops_common.http_server import http_server
from cvops_common.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)

log = telemetry.logger(__name__)

_LONGEST_PAUSE_S = 5.0


def run(build: Callable[[S], App], settings_class: type[S]) -> None:
    """Reads the settings, builds the app and serves until SIGTERM or SIGINT; wrong settings end with a sentence."""
    try:
        settings = settings_class()
    except ValidationError as error:
        sys.exit(_explain(error))
    try:
        telemetry.configure_logging(settings.log_level, settings.log_format)
        uvloop.run(_main(build, settings))
    except CvopsError as error:
        log.error("service cannot run", reason=error.reason, error=str(error))
        sys.exit(1)


async def _main(build: Callable[[S], App], settings: S) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    app = build(settings)
    with telemetry.tracing(app.bus.service, settings.otlp):
        async with AsyncExitStack() as stack:
            started = asyncio.create_task(start(app, settings, stack))
            await asyncio.wait({started, waiter := asyncio.create_task(stopping.wait())}, return_when="FIRST_COMPLETED")
            waiter.cancel()
            if not started.done():
                started.cancel()
                return
            await started
            log.info("serving", service=app.bus.service, grpc=settings.grpc_listen, http=settings.http_listen)
            await stopping.wait()
            log.info("stopping", service=app.bus.service)


async def start(app: App, settings: ServiceSettings, stack: AsyncExitStack) -> None:
    """Starts an app; `stack` stops it again, in reverse order.

    HTTP is first, so that health can be asked while the engines are awaited. An engine that is away is tried again.
    """
    keys = KeyFile(settings.keys)
    await stack.enter_async_context(http_server(app, keys, settings))
    for part in (*app.before, app.bus, *app.after):
        pause_s = 0.1
        while True:
            try:
                await stack.enter_async_context(part)
                break
            except Unavailable as error:
                log.warning("waiting for an engine", error=str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    if app.grpc:
        await stack.enter_async_context(grpc_server(app.grpc, keys, settings))


def _explain(error: ValidationError) -> str:
    lines = [f"  {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
    return "settings are wrong:\n" + "\n".join(lines) + "\nset them by environment, see the README of the service"
