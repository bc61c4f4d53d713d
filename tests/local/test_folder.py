"""The data folder keeps keys, ports and logs in order."""

import json
import socket
import stat
from pathlib import Path

import pytest

from cvops_common.access import KeyFile, Role
from cvops_common.errors import BadArgument, Unavailable
from cvops_local.folder import DataDir
from cvops_local.logs import last_line, rotate
from cvops_local.ports import free_ports
from cvops_local.topology import SERVICES, Topology
from cvops_local.up import topology_of


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    folder = DataDir(tmp_path)
    folder.make()
    return folder


def test_the_local_key_is_an_administrators_and_only_its_owner_reads_it(data: DataDir) -> None:
    data.ensure_local_key()
    assert stat.S_IMODE(data.local_key_file.stat().st_mode) == 0o600
    clear = data.local_key_file.read_text().strip()
    principal = KeyFile(data.keys_file).authenticate(clear)
    assert principal is not None
    assert principal.role is Role.ADMIN
    assert clear not in data.keys_file.read_text()


def test_the_local_key_stays_over_starts_and_is_made_anew_when_it_was_revoked(data: DataDir) -> None:
    data.ensure_local_key()
    first = data.local_key_file.read_text()
    data.ensure_local_key()
    assert data.local_key_file.read_text() == first
    KeyFile(data.keys_file).revoke(first.split("_")[1])
    data.ensure_local_key()
    assert data.local_key_file.read_text() != first


def test_a_folder_that_cannot_be_written_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match=r"file.*--data-dir"):
        DataDir(tmp_path / "file").make()


def test_a_port_in_use_is_named_with_who_wants_it_who_has_it_and_the_cure(data: DataDir) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(Unavailable) as caught:
            Topology(data, port_base=port - 20).check_ports()
    assert f"port {port} for inference (gRPC) is used by " in str(caught.value)
    assert "(pid " in str(caught.value)
    assert f"--port-base {port + 980}" in str(caught.value)


def test_the_port_base_is_remembered_and_a_given_one_wins(data: DataDir) -> None:
    assert topology_of(data, None, {}).port_base == 7100
    data.write_connection(topology_of(data, 9100, {}).connection())
    assert topology_of(data, None, {}).port_base == 9100
    assert topology_of(data, 8100, {}).port_base == 8100
    with pytest.raises(BadArgument, match="65435"):
        topology_of(data, 65500, {})


def test_the_connection_file_says_where_clients_find_everything(data: DataDir) -> None:
    data.write_connection(Topology(data).connection())
    connection = json.loads(data.connection_file.read_text())
    assert connection["ingest"] == {"grpc": "127.0.0.1:7110", "http": "http://127.0.0.1:7111"}
    assert connection["kafka"] == "127.0.0.1:7192"
    assert connection["mongo"] == "mongodb://127.0.0.1:7127/?replicaSet=rs0"
    assert connection["objects"] == data.objects.as_uri()
    assert KeyFile(data.path / connection["keys"]).list() == ()


def test_engines_of_the_user_are_not_started_and_reach_every_service(data: DataDir) -> None:
    environment = {"CVOPS_KAFKA": "kafka.example:9092", "CVOPS_MONGO": "mongodb://m/?replicaSet=x"}
    topology = topology_of(data, None, environment)
    specs = {spec.name: spec for spec in topology.specs(environment)}
    assert specs["kafka"].command is None
    assert specs["mongod"].command is None
    assert len(topology.ports) == 2 * len(SERVICES)
    for service in SERVICES:
        env = specs[service.name].env or {}
        assert env["CVOPS_KAFKA"] == "kafka.example:9092"
        assert env["CVOPS_MONGO"] == "mongodb://m/?replicaSet=x"
        assert env[f"CVOPS_{service.name.upper()}_GRPC_LISTEN"] == f"127.0.0.1:{7100 + service.offset}"


def test_the_folders_of_a_service_lie_in_the_data_folder_and_are_made(data: DataDir) -> None:
    trainer = next(spec for spec in Topology(data).specs({}) if spec.name == "trainer")
    assert trainer.command is not None
    assert trainer.command()[1:] == ["-m", "cvops_trainer"]
    assert (trainer.env or {})["CVOPS_TRAINER_SCRATCH_DIR"] == str(data.path / "scratch" / "trainer")
    assert (data.path / "scratch" / "trainer").is_dir()


def test_a_large_log_is_put_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    for content in ("first", "second", "third"):
        log.write_text(content)
        rotate(log, at_bytes=5, kept=2)
    assert not log.exists()
    assert (tmp_path / "kafka.log.1").read_text() == "third"
    assert (tmp_path / "kafka.log.2").read_text() == "second"
    log.write_text("tiny")
    rotate(log, at_bytes=5, kept=2)
    assert log.read_text() == "tiny"


def test_the_last_words_of_a_log_skip_empty_lines(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    assert last_line(log) == ""
    log.write_text("Traceback\nValueError: no\n\n \n")
    assert last_line(log) == "ValueError: no"


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(20))) == 20
