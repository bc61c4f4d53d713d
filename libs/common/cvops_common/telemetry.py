"""Logs, traces and what ties them together.

Logs are structured; `camera`, `frame` and `model` are their fields. Traces follow a frame from the agent to its
prediction by W3C trace context: the trace id travels always, spans are recorded only when an OTLP endpoint is set.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from cvops_common.errors import BadArgument
from cvops_common.ids import random_hex

_PROPAGATOR = TraceContextTextMapPropagator()
_recording = False


class Span:
    """A step of a trace; `traceparent` names it to the next step."""

    __slots__ = ("traceparent",)

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A structured logger: `log.info("what happened", camera=..., frame=..., model=...)`."""
    return structlog.stdlib.get_logger(name)


def new_traceparent() -> str:
    """A fresh W3C trace context, sampled."""
    return f"00-{random_hex(128)}-{random_hex(64)}-01"


@contextmanager
def span(
    name: str, traceparent: str = "", began_ns: int | None = None, **attributes: str | int | float
) -> Iterator[Span]:
    """A step of the trace named by `traceparent`, or of a new one when that is empty.

    While no OTLP endpoint is set nothing is recorded and the context is passed on as it came.

    Args:
        name: of the step, e.g. "ingest.frame".
        traceparent: W3C trace context of the step before.
        began_ns: when the step began, nanoseconds since the epoch; none: now.
        attributes: facts to record.
    """
    parent = traceparent or new_traceparent()
    if not _recording:
        yield Span(parent)
        return
    context = _PROPAGATOR.extract({"traceparent": parent})
    with trace.get_tracer("cvops").start_as_current_span(
        name, context=context, attributes=attributes, start_time=began_ns
    ):
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        yield Span(carrier.get("traceparent", parent))


def configure_logging(level: str, form: Literal["json", "text"]) -> None:
    """Sends the logs of cvops and of its libraries to standard error, one line an event.

    Raises:
        BadArgument: the level has no such name.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise BadArgument(f"log level {level!r} is not known: expected debug, info, warning or error")
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if form == "json"
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)
    for chatty in ("aiokafka", "kafka", "pymongo", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(max(number, logging.WARNING))
    # aiokafka logs every attempt to reach a broker that is away, tens of lines a second, and a first join that meets a
    # coordinator that is still being chosen; what matters of it comes back to us as an error or in readiness.
    for noisy in ("aiokafka", "aiokafka.consumer", "aiokafka.producer", "aiokafka.conn", "aiokafka.cluster"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)


@contextmanager
def tracing(service: str, otlp: str | None) -> Iterator[None]:
    """Records spans and sends them to `otlp` while open; nothing at all when it is none."""
    global _recording
    if otlp is None:
        yield
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    provider = TracerProvider(resource=Resource.create({"service.name": f"cvops-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{otlp.rstrip('/')}/v1/traces")))
    trace.set_tracer_provider(provider)
    _recording = True
    try:
        yield
    finally:
        _recording = False
        provider.shutdown()
