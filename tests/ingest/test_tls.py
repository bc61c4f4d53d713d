"""TLS by settings: gRPC and HTTP, and what happens without it."""

import asyncio
import ssl
import urllib.request
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from cvops import Client
from cvops.cameras import Camera
from cvops.connection import Connection
from cvops.errors import ConnectionFailed
from tests.ingest.conftest import Start

pytestmark = pytest.mark.engines


async def test_clients_that_know_the_authority_are_served_and_others_are_not(
    start_ingest: Start, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    cert, key = certificate
    async with start_ingest(tls_cert=cert, tls_key=key) as ingest:
        variables = {
            "CVOPS_INGEST": ingest.settings.grpc_listen,
            "CVOPS_KEY": ingest.key,
            "CVOPS_TLS_CA": str(cert),
        }
        connection = Connection.find(tmp_path, variables)

        def add_and_get(through: Connection, camera_id: str) -> Camera:
            with Client(through) as client:
                client.cameras.add(Camera(camera_id))
                return client.cameras.get(camera_id)

        assert (await asyncio.to_thread(add_and_get, connection, "tls-1")).camera_id == "tls-1"
        with pytest.raises(ConnectionFailed):
            await asyncio.to_thread(add_and_get, replace(connection, tls_ca=None), "tls-2")

        def health(context: ssl.SSLContext) -> int:
            url = f"https://{ingest.http}/health/ready"
            with urllib.request.urlopen(url, context=context, timeout=10) as answer:
                return int(answer.status)

        assert await asyncio.to_thread(health, ssl.create_default_context(cafile=str(cert))) == 200
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            await asyncio.to_thread(health, ssl.create_default_context())


async def test_a_plain_channel_is_not_answered(start_ingest: Start, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    async with start_ingest(tls_cert=cert, tls_key=key) as ingest:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ingest.new_camera()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
