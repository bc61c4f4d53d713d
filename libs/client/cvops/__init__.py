"""The public face of cvops: `Client` for programs, the `cvops` command for people, the edge agent for cameras."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cvops.cameras import Camera
    from cvops.client import Client
    from cvops.connection import Connection
    from cvops.errors import ConnectionFailed, CvopsError, Refused, SourceError, SpoolError
    from cvops.predictions import Predictions

__all__ = [
    "Camera",
    "Client",
    "Connection",
    "ConnectionFailed",
    "CvopsError",
    "Predictions",
    "Refused",
    "SourceError",
    "SpoolError",
]

# Imported when they are asked for: `cvops --help` needs neither numpy nor gRPC.
_HOMES = {
    "Camera": "cvops.cameras",
    "Client": "cvops.client",
    "Connection": "cvops.connection",
    "ConnectionFailed": "cvops.errors",
    "CvopsError": "cvops.errors",
    "Predictions": "cvops.predictions",
    "Refused": "cvops.errors",
    "SourceError": "cvops.errors",
    "SpoolError": "cvops.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
