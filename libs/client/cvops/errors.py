"""The errors of the client, as one tree.

CvopsError
├── ConnectionFailed   no platform was found, or it does not answer; trying later can help
├── Refused            the platform answered and said no; `reason` tells why in one word
├── SourceError        a video, image or camera on this side cannot be read
└── SpoolError         frames cannot be kept on the disk on this side
"""

from typing import Any

import grpc

_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class CvopsError(Exception):
    """Base of all errors of the client."""


class ConnectionFailed(CvopsError):
    """No platform was found, or it does not answer."""


class Refused(CvopsError):
    """The platform said no.

    Attributes:
        reason: one word, e.g. "not_found"; docs/errors.md lists them.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class SourceError(CvopsError):
    """A video, image or camera on this side cannot be read."""


class SpoolError(CvopsError):
    """Frames cannot be kept on the disk on this side."""


def from_grpc(error: grpc.RpcError, address: str) -> CvopsError:
    """The error of ours that stands for one of gRPC."""
    call: Any = error
    code, details = call.code(), call.details() or ""
    if code in _AWAY:
        return ConnectionFailed(f"{address} does not answer ({details or code.name}): is `cvops up` running there?")
    metadata = dict(call.trailing_metadata() or ())
    return Refused(details or code.name, str(metadata.get("cvops-reason", code.name.lower())))
