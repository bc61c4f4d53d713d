"""Finding the platform: what the environment says, else what `cvops up` wrote into the data folder."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from cvops.errors import ConnectionFailed

_OPTIONS = (
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.enable_retries", 1),
)


def default_data_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """CVOPS_DATA_DIR, else ~/.cvops."""
    return Path(environment.get("CVOPS_DATA_DIR") or Path.home() / ".cvops")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the platform is and the key to it.

    Attributes:
        ingest, inference, trainer, drift, labeling, alerting: gRPC addresses, host:port.
        kafka: bootstrap servers, host:port[,host:port].
        keys: the key file of the platform, where it is on this machine.
        key: the API key in clear.
        tls_ca: certificate of the authority that signed the servers'; None: no TLS.
    """

    ingest: str
    inference: str
    trainer: str
    kafka: str
    keys: Path
    key: str
    tls_ca: bytes | None = None
    drift: str = ""
    labeling: str = ""
    alerting: str = ""

    def __repr__(self) -> str:
        """Without the key."""
        return f"Connection(ingest={self.ingest!r}, inference={self.inference!r}, trainer={self.trainer!r})"

    @classmethod
    def find(cls, data_dir: Path | None = None, environment: Mapping[str, str] = os.environ) -> "Connection":
        """Reads CVOPS_<SERVICE> of each, CVOPS_KAFKA, _KEYS, _KEY and _TLS_CA, and then the data folder.

        The key and the authority in the data folder are for the services of that folder: an address from the
        environment does not get them.

        Raises:
            ConnectionFailed: neither tells where the platform is, or what they name cannot be read.
        """
        folder = data_dir or default_data_dir(environment)
        written = _written(folder)
        services = ("ingest", "inference", "trainer", "drift", "labeling", "alerting")
        elsewhere = {service: environment.get(f"CVOPS_{service.upper()}", "") for service in services}
        addresses = {service: elsewhere[service] or written.get(service, {}).get("grpc", "") for service in services}
        if not any(addresses.values()):
            raise ConnectionFailed(
                f"no platform found in {folder}: run `cvops up`, or set CVOPS_INGEST, CVOPS_INFERENCE and "
                "CVOPS_TRAINER to host:port"
            )
        ca = environment.get("CVOPS_TLS_CA") or ("" if any(elsewhere.values()) else written.get("tls_ca", ""))
        return cls(
            **addresses,
            kafka=environment.get("CVOPS_KAFKA") or written.get("kafka", ""),
            keys=Path(environment.get("CVOPS_KEYS") or folder / written.get("keys", "keys/keys.json")),
            key=environment.get("CVOPS_KEY") or ("" if any(elsewhere.values()) else _local_key(folder, written)),
            tls_ca=_certificate(Path(ca)) if ca else None,
        )

    def channel(self, service: str) -> grpc.Channel:
        """A channel to a service by name, e.g. "ingest".

        Raises:
            ConnectionFailed: it is not known where that service is.
        """
        address = getattr(self, service)
        if not address:
            raise ConnectionFailed(f"it is not known where {service} is: set CVOPS_{service.upper()} to host:port")
        if self.tls_ca is not None:
            return grpc.secure_channel(address, grpc.ssl_channel_credentials(self.tls_ca), options=_OPTIONS)
        return grpc.insecure_channel(address, options=_OPTIONS)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries."""
        return (("authorization", f"Bearer {self.key}"),) if self.key else ()


def _written(folder: Path) -> dict[str, Any]:
    file = folder / "connection.json"
    try:
        found: Any = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConnectionFailed(f"{file} cannot be read: {error}; start `cvops up` again") from error
    if not isinstance(found, dict):
        raise ConnectionFailed(f"{file} holds a {type(found).__name__}, expected an object; start `cvops up` again")
    return found


def _local_key(folder: Path, written: Mapping[str, Any]) -> str:
    try:
        return Path(folder, written.get("key_file", "keys/local.key")).read_text().strip()
    except OSError:
        return ""


def _certificate(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConnectionFailed(
            f"certificate {path} of CVOPS_TLS_CA, or of the data folder, cannot be read: {error.strerror}"
        ) from error
