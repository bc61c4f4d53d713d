"""The public face of cvops: `Client` for programs, the `cvops` command for people, the edge agent for cameras."""

from cvops.client import Client
from cvops.connection import Connection
from cvops.errors import ConnectionFailed, CvopsError, Refused, SourceError
from cvops.predictions import Predictions

__all__ = ["Client", "Connection", "ConnectionFailed", "CvopsError", "Predictions", "Refused", "SourceError"]
