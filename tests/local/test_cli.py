"""The commands, as a user calls them."""

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cvops_local.cli import doctor, status, up
from cvops_local.engines.jars import remembered_jars
from cvops_local.folder import DataDir
from cvops_local.ports import free_ports, taken
from cvops_local.table import uptime
from cvops_local.topology import Topology


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CVOPS_DATA_DIR", "CVOPS_KAFKA", "CVOPS_MONGO", "CVOPS_MONGOD"):
        monkeypatch.delenv(name, raising=False)


def findings(result: Result) -> dict[str, dict[str, str]]:
    return {finding["name"]: finding for finding in json.loads(result.stdout)}


def test_status_of_nothing_says_how_to_start_and_exits_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(status, ["--data-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert "cvops up" in result.stdout


def test_status_of_a_stopped_platform_names_what_does_not_answer(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    data.make()
    (base, *_) = free_ports(1)
    data.write_connection(Topology(data, port_base=min(base, 65000)).connection())
    result = CliRunner().invoke(status, ["--data-dir", str(tmp_path), "--json"])
    assert result.exit_code == 1
    seen = json.loads(result.stdout)
    assert seen["ready"] is False
    assert seen["running"] is False
    assert [each["name"] for each in seen["processes"]] == [
        "kafka",
        "mongod",
        "ingest",
        "inference",
        "drift",
        "labeling",
        "alerting",
        "trainer",
    ]
    assert all("does not answer" in each["detail"] for each in seen["processes"])


def with_free_ports(data: DataDir) -> Topology:
    """Below the ports that the system gives to connections, which come and go while this is tested."""
    all_of_them = (Topology(data, port_base=base) for base in range(12_000, 20_000, 100))
    return next(topology for topology in all_of_them if not taken(topology.ports))


def test_up_on_a_used_port_says_so_and_exits_1(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        base = listener.getsockname()[1] - 10
        result = CliRunner().invoke(up, ["--data-dir", str(tmp_path), "--port-base", str(base), "--json"])
    assert result.exit_code == 1
    assert f"port {base + 10} for ingest (gRPC) is used by" in result.stderr
    assert not DataDir(tmp_path).is_held()


def test_doctor_finds_this_machine_fit(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    data.make()
    data.write_connection(with_free_ports(data).connection())
    result = CliRunner().invoke(doctor, ["--data-dir", str(tmp_path), "--json"])
    found = findings(result)
    broken = {name: finding for name, finding in found.items() if finding["verdict"] == "broken"}
    assert (result.exit_code, broken) == (0, {})
    assert {"python", "java", "mongod", "disk", "memory", "ports", "data folder", "clock"} <= set(found)
    assert (found["kafka jars"]["verdict"] == "ok") == (remembered_jars() is not None)


def test_doctor_names_the_cure_of_a_missing_mongod_and_exits_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVOPS_MONGOD", "/no/such/mongod")
    result = CliRunner().invoke(doctor, ["--data-dir", str(tmp_path), "--json"])
    assert result.exit_code == 1
    assert findings(result)["mongod"]["verdict"] == "broken"
    assert "CVOPS_MONGO" in findings(result)["mongod"]["cure"]
    monkeypatch.setenv("CVOPS_MONGO", "mongodb://elsewhere/?replicaSet=x")
    assert findings(CliRunner().invoke(doctor, ["--data-dir", str(tmp_path), "--json"]))["mongod"]["verdict"] == "ok"


def test_doctor_names_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(doctor, ["--data-dir", str(tmp_path / "file" / "data"), "--json"])
    assert result.exit_code == 1
    assert "--data-dir" in findings(result)["data folder"]["cure"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5.9, "5 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (4 * 86400 + 3 * 3600, "4 d 3 h"), (-1, "0 s")],
)
def test_uptime_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert uptime(seconds) == text
