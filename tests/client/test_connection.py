"""Finding the platform."""

import json
from pathlib import Path
from typing import Any

import pytest

from cvops.connection import Connection, default_data_dir
from cvops.errors import ConnectionFailed


def written(folder: Path, **more: Any) -> Path:
    """A data folder as `cvops up` writes it."""
    found = {
        "ingest": {"grpc": "127.0.0.1:1001"},
        "inference": {"grpc": "127.0.0.1:1002"},
        "trainer": {"grpc": "127.0.0.1:1003"},
        "kafka": "127.0.0.1:1004",
        "keys": "keys/keys.json",
        "key_file": "keys/local.key",
    } | more
    (folder / "keys").mkdir(parents=True)
    (folder / "keys" / "local.key").write_text("key-of-the-file\n")
    (folder / "connection.json").write_text(json.dumps(found))
    return folder


def test_the_data_folder_tells_where_everything_is(tmp_path: Path) -> None:
    found = Connection.find(written(tmp_path / "data"), {})
    assert (found.ingest, found.inference, found.trainer) == ("127.0.0.1:1001", "127.0.0.1:1002", "127.0.0.1:1003")
    assert found.kafka == "127.0.0.1:1004"
    assert found.keys == tmp_path / "data" / "keys" / "keys.json"
    assert found.key == "key-of-the-file"
    assert found.tls_ca is None
    assert found.metadata == (("authorization", "Bearer key-of-the-file"),)


def test_the_environment_wins_over_the_folder_one_by_one(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(b"certificate")
    given = {
        "CVOPS_INGEST": "far:1",
        "CVOPS_KAFKA": "far:2",
        "CVOPS_KEYS": "/far/keys.json",
        "CVOPS_KEY": "key-of-the-environment",
        "CVOPS_TLS_CA": str(ca),
    }
    found = Connection.find(written(tmp_path / "data"), given)
    assert (found.ingest, found.inference, found.trainer) == ("far:1", "127.0.0.1:1002", "127.0.0.1:1003")
    assert (found.kafka, found.keys, found.key) == ("far:2", Path("/far/keys.json"), "key-of-the-environment")
    assert found.tls_ca == b"certificate"


def test_the_environment_is_enough(tmp_path: Path) -> None:
    found = Connection.find(tmp_path / "nothing", {"CVOPS_INGEST": "far:1"})
    assert (found.ingest, found.inference, found.key, found.metadata) == ("far:1", "", "", ())


def test_the_local_key_is_not_sent_to_a_service_elsewhere(tmp_path: Path) -> None:
    assert Connection.find(written(tmp_path / "data"), {"CVOPS_INGEST": "far:1"}).key == ""


def test_the_authority_in_the_folder_is_for_the_services_of_the_folder(tmp_path: Path) -> None:
    folder = written(tmp_path / "data")
    ca = tmp_path / "ca.pem"
    ca.write_bytes(b"certificate")
    file = folder / "connection.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"tls_ca": str(ca)}))
    assert Connection.find(folder, {}).tls_ca == b"certificate"
    assert Connection.find(folder, {"CVOPS_INGEST": "far:1"}).tls_ca is None


def test_no_platform_is_told_with_the_folder_and_both_cures(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        Connection.find(tmp_path / "nothing", {})
    for part in (str(tmp_path / "nothing"), "`cvops up`", "CVOPS_INGEST", "CVOPS_INFERENCE", "CVOPS_TRAINER"):
        assert part in str(caught.value)


@pytest.mark.parametrize("content", ["{broken", "[]", "7"])
def test_a_file_that_cannot_be_used_is_told_with_its_name_and_the_cure(tmp_path: Path, content: str) -> None:
    (tmp_path / "connection.json").write_text(content)
    with pytest.raises(ConnectionFailed, match=r"connection\.json .*`cvops up`"):
        Connection.find(tmp_path, {})


def test_a_certificate_that_is_not_there_is_told_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed, match=r"gone\.pem of CVOPS_TLS_CA, .* cannot be read"):
        Connection.find(tmp_path, {"CVOPS_INGEST": "far:1", "CVOPS_TLS_CA": str(tmp_path / "gone.pem")})


def test_a_service_that_is_not_known_is_told_with_its_variable(tmp_path: Path) -> None:
    found = Connection.find(tmp_path, {"CVOPS_INGEST": "far:1"})
    with pytest.raises(ConnectionFailed, match="CVOPS_TRAINER"):
        found.channel("trainer")


def test_the_key_is_not_in_the_text_of_a_connection(tmp_path: Path) -> None:
    found = Connection.find(written(tmp_path / "data"), {})
    assert "key-of-the-file" not in f"{found} {found!r}"


def test_the_data_folder_is_that_of_the_environment_else_in_the_home(tmp_path: Path) -> None:
    assert default_data_dir({"CVOPS_DATA_DIR": str(tmp_path)}) == tmp_path
    assert default_data_dir({}) == Path.home() / ".cvops"
