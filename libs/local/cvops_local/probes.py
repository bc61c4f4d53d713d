"""Does it answer? Each probe returns None when all is well, else one sentence; it blocks for `timeout_s` at most."""

import http.client
import json
import socket
import struct
from pathlib import Path
from urllib.parse import urlsplit

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from cvops_local.tls import context_of

_API_VERSIONS = 18
_CORRELATION = 7110


def kafka_problem(bootstrap: str, timeout_s: float = 2.0) -> str | None:
    """Asks the first broker that can be reached for its API versions; a broker answers only once it serves clients.

    Args:
        bootstrap: host:port[,host:port].
        timeout_s: for each broker.
    """
    problem = f"Kafka address {bootstrap!r} names no host:port"
    for address in filter(None, (part.strip() for part in bootstrap.split(","))):
        host, _, port = address.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout_s) as connection:
                connection.settimeout(timeout_s)
                if _speaks_kafka(connection):
                    return None
                problem = f"what listens at {address} does not speak Kafka"
        except (OSError, ValueError) as error:
            problem = f"Kafka at {address} does not answer: {error}"
    return problem


def _speaks_kafka(connection: socket.socket) -> bool:
    request = struct.pack(">hhih", _API_VERSIONS, 0, _CORRELATION, -1)
    connection.sendall(struct.pack(">i", len(request)) + request)
    head = b""
    while len(head) < 10:
        chunk = connection.recv(10 - len(head))
        if not chunk:
            return False
        head += chunk
    _, correlation, error = struct.unpack(">iih", head)
    return bool(correlation == _CORRELATION and error == 0)


def mongo_problem(url: str, timeout_s: float = 2.0) -> str | None:
    """Asks for the primary of a replica set; a lone mongod has no transactions and is refused."""
    try:
        with MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=int(timeout_s * 1000)) as client:
            if "setName" in client.admin.command("hello"):
                return None
    except (PyMongoError, ValueError) as error:
        return f"MongoDB at {_without_password(url)} does not answer: {str(error)[:200]}"
    return f"MongoDB at {_without_password(url)} is no replica set and has no transactions; start it with --replSet"


def service_problem(address: str, timeout_s: float = 2.0, ca: Path | None = None) -> str | None:
    """Asks a service for /health/ready, as its clients would: by a certificate that they cannot prove it is not well.

    Args:
        address: host:port of its HTTP side.
        timeout_s: for connecting and for each read.
        ca: certificate of the authority that signed the service's; None: it speaks no TLS.
    """
    host, _, port = address.rpartition(":")
    try:
        context = context_of(ca)
    except OSError as error:
        return f"certificate {ca} cannot be used: {error}"
    connection = (
        http.client.HTTPSConnection(host, int(port), timeout=timeout_s, context=context)
        if context is not None
        else http.client.HTTPConnection(host, int(port), timeout=timeout_s)
    )
    try:
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        return f"{address} does not answer: {error}"
    finally:
        connection.close()
    if response.status == http.HTTPStatus.OK:
        return None
    try:
        failing = {name: text for name, text in json.loads(body)["checks"].items() if text}
    except (ValueError, KeyError, AttributeError):
        failing = {}
    return "; ".join(f"{name}: {text}" for name, text in failing.items()) or f"{address} says {response.status}"


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
