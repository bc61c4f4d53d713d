"""`cvops up` with TLS: what its settings mean, and that probes speak it."""

import ssl
import threading
from collections.abc import Iterator
from http.server import HTTPServer
from pathlib import Path

import pytest

from cvops.connection import Connection
from cvops_common.errors import BadArgument
from cvops_local.folder import DataDir
from cvops_local.probes import service_problem
from cvops_local.status import platform_status
from cvops_local.tls import Tls, tls_of
from cvops_local.topology import SERVICES, Topology
from cvops_local.up import topology_of
from tests.local.test_status import Health

Certificate = tuple[Path, Path]


def settings(certificate: Certificate) -> dict[str, str]:
    cert, key = certificate
    return {"CVOPS_TLS_CERT": str(cert), "CVOPS_TLS_KEY": str(key)}


@pytest.fixture
def server(certificate: Certificate) -> Iterator[HTTPServer]:
    """Answers as a service with TLS does."""
    server = HTTPServer(("127.0.0.1", 0), Health)
    server.ready_at = 0.0  # type: ignore[attr-defined]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_service_with_tls_is_ready_for_a_probe_that_knows_its_authority_only(
    server: HTTPServer, certificate: Certificate
) -> None:
    address = f"127.0.0.1:{server.server_port}"
    assert service_problem(address, ca=certificate[0]) is None
    assert "does not answer" in (service_problem(address) or "")
    by_another_name = service_problem(f"localhost:{server.server_port}", ca=certificate[0]) or ""
    assert "certificate is not valid for 'localhost'" in by_another_name


def test_status_and_clients_find_the_authority_in_the_connection_file(
    server: HTTPServer, certificate: Certificate, tmp_path: Path
) -> None:
    data = DataDir(tmp_path)
    data.make()
    written = topology_of(data, None, settings(certificate)).connection()
    assert written["ingest"] == {"grpc": "127.0.0.1:7110", "http": "https://127.0.0.1:7111"}
    service = {"grpc": "127.0.0.1:1", "http": f"https://127.0.0.1:{server.server_port}"}
    data.write_connection({"tls_ca": written["tls_ca"]} | {each.name: service for each in SERVICES})
    assert platform_status(data).ready
    assert Connection.find(tmp_path, {}).tls_ca == certificate[0].read_bytes()


def test_probes_of_up_use_the_authority(server: HTTPServer, certificate: Certificate, tmp_path: Path) -> None:
    base = server.server_port - SERVICES[0].offset - 1
    first = Topology(DataDir(tmp_path), port_base=base, tls=Tls(certificate[0])).specs({})[2]
    assert first.name == SERVICES[0].name
    assert first.problem() is None


def test_an_authority_of_its_own_is_named_beside_the_certificate(certificate: Certificate, tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_bytes(certificate[0].read_bytes())
    assert tls_of(settings(certificate), ()) == Tls(certificate[0])
    assert tls_of(settings(certificate) | {"CVOPS_TLS_CA": str(authority)}, ()) == Tls(authority)
    assert tls_of({"CVOPS_TLS_CA": str(authority)}, ()) is None


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"CVOPS_TLS_CERT": "cert.pem"}, "CVOPS_TLS_KEY is not"),
        ({"CVOPS_TLS_KEY": "key.pem"}, "CVOPS_TLS_CERT is not"),
        ({"CVOPS_TLS_CERT": "gone.pem", "CVOPS_TLS_KEY": "gone.pem"}, "gone.pem is not possible: .*No such file"),
        ({"CVOPS_INGEST_TLS_CERT": "cert.pem"}, "all services speak TLS or none"),
    ],
)
def test_what_cannot_be_used_is_told_before_anything_starts(variables: dict[str, str], words: str) -> None:
    with pytest.raises(BadArgument, match=words):
        tls_of(variables, ("ingest",))
