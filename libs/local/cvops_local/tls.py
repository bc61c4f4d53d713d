"""TLS of the services that `cvops up` runs: by the same settings as anywhere, and what clients on this machine need."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cvops_common.errors import BadArgument


@dataclass(frozen=True, slots=True)
class Tls:
    """All services speak TLS.

    Attributes:
        ca: certificate of the authority that signed theirs, for clients; a certificate that signed itself is its own.
    """

    ca: Path


def tls_of(environment: Mapping[str, str], services: tuple[str, ...]) -> Tls | None:
    """What CVOPS_TLS_CERT, CVOPS_TLS_KEY and CVOPS_TLS_CA wish; None: no TLS.

    Raises:
        BadArgument: one is missing or cannot be used, or one service alone is to speak TLS.
    """
    for service in services:
        if environment.get(f"CVOPS_{service.upper()}_TLS_CERT") and not environment.get("CVOPS_TLS_CERT"):
            raise BadArgument(
                f"CVOPS_{service.upper()}_TLS_CERT is set and CVOPS_TLS_CERT is not: under `cvops up` all services "
                "speak TLS or none does; set CVOPS_TLS_CERT and CVOPS_TLS_KEY"
            )
    cert, key = environment.get("CVOPS_TLS_CERT"), environment.get("CVOPS_TLS_KEY")
    if not cert and not key:
        return None
    if not cert or not key:
        has, lacks = ("CERT", "KEY") if cert else ("KEY", "CERT")
        raise BadArgument(f"CVOPS_TLS_{has} is set and CVOPS_TLS_{lacks} is not: set both, or neither for no TLS")
    ca = Path(environment.get("CVOPS_TLS_CA") or cert).absolute()
    for path, load in (
        (Path(cert), lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)),
        (ca, lambda: _trusting(ca)),
    ):
        try:
            load()
        except (OSError, ssl.SSLError) as error:
            raise BadArgument(
                f"TLS with {path} is not possible: {error}; expected PEM files that can be read"
            ) from error
    return Tls(ca)


def connection_ca(connection: Mapping[str, object]) -> Path | None:
    """The authority that a connection file names; None: no TLS."""
    named = connection.get("tls_ca")
    return Path(os.fspath(named)) if isinstance(named, str) and named else None


def context_of(ca: Path | None) -> ssl.SSLContext | None:
    """For a client that trusts one authority; None: no TLS.

    Raises:
        OSError: the certificate cannot be used.
    """
    return _trusting(ca) if ca is not None else None


def _trusting(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca))
