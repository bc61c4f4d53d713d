"""Status asks everything itself: the engines by their protocols, the services by their health."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from cvops_local.cli import status
from cvops_local.folder import DataDir
from cvops_local.probes import service_problem
from cvops_local.status import platform_status
from cvops_local.topology import SERVICES

pytestmark = pytest.mark.engines


class Health(BaseHTTPRequestHandler):
    """Answers as services do; not ready before the server's `ready_at` (monotonic seconds)."""

    def do_GET(self) -> None:
        ready = self.path == "/health/ready" and time.monotonic() >= self.server.ready_at  # type: ignore[attr-defined]
        self.send_response(200 if ready else 503)
        self.end_headers()
        body = {"ready": ready, "checks": {"bus": None if ready else "no partitions yet", "mongo": None}}
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Health)
    server.ready_at = 0.0  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def data(tmp_path: Path, server: HTTPServer, kafka_url: str, mongo_url: str) -> DataDir:
    data = DataDir(tmp_path)
    data.make()
    service = {"grpc": "127.0.0.1:1", "http": f"http://127.0.0.1:{server.server_port}"}
    engines = {"kafka": kafka_url, "mongo": mongo_url}
    data.write_connection({each.name: service for each in SERVICES} | engines)
    return data


def test_status_is_ready_when_everything_answers(data: DataDir) -> None:
    seen = platform_status(data)
    assert seen.ready
    assert [each.state for each in seen.processes] == ["ready"] * (2 + len(SERVICES))


def test_status_waits_until_all_is_ready(data: DataDir, server: HTTPServer) -> None:
    server.ready_at = time.monotonic() + 1.0  # type: ignore[attr-defined]
    at_once = CliRunner().invoke(status, ["--data-dir", str(data.path), "--json"])
    assert at_once.exit_code == 1
    assert json.loads(at_once.stdout)["processes"][2]["detail"] == "bus: no partitions yet"
    waited = CliRunner().invoke(status, ["--data-dir", str(data.path), "--json", "--wait", "20"])
    assert waited.exit_code == 0
    assert time.monotonic() >= server.ready_at  # type: ignore[attr-defined]


def test_a_service_that_answers_something_else_is_not_ready(server: HTTPServer, kafka_url: str) -> None:
    assert service_problem(f"127.0.0.1:{server.server_port}") is None
    assert "does not answer" in (service_problem(kafka_url, 0.5) or "")
