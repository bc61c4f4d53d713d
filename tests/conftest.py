"""Fixtures for all tests: the reference data and the real engines, started once for the run."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:  # started with `&` or nohup: children would inherit it
        signal.signal(_number, signal.SIG_DFL)

REPO = Path(__file__).resolve().parent.parent


_ALONE = ("engines", "s3", "containers")


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `-n 3`, one process runs the trainer's tests on engines, one those of all others, and each starts its own.

    They wait more than they compute: whoever is free does the rest.
    """
    for item in items:
        if any(item.get_closest_marker(name) for name in _ALONE):
            group = "trainer" if "tests/trainer" in str(item.path) else "others"
            item.add_marker(pytest.mark.xdist_group(f"engines of {group}"))


@dataclass(frozen=True, slots=True)
class Engines:
    """Where the engines of this run are. `objects`: None unless given from outside."""

    kafka: str
    mongo: str
    objects: str | None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The reference data beside the repository, or CVOPS_SHARED_DATA; tests that need it are skipped without."""
    folder = Path(os.environ.get("CVOPS_SHARED_DATA") or REPO.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; set CVOPS_SHARED_DATA")
    return folder


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, which is its own authority, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: apt-get install openssl")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=cvops test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """Real engines: those that CVOPS_TEST_KAFKA, _MONGO and _OBJECTS name; what is not named is started."""
    from cvops_local.child import Child, wait_until
    from cvops_local.engines.kafka import Kafka
    from cvops_local.engines.mongod import Mongod
    from cvops_local.ports import free_ports
    from cvops_local.probes import kafka_problem

    folder = tmp_path_factory.mktemp("engines")
    kafka_url, mongo_url = os.environ.get("CVOPS_TEST_KAFKA"), os.environ.get("CVOPS_TEST_MONGO")
    kafka_port, controller_port, mongo_port = free_ports(3)
    kafka = Kafka(folder / "kafka", kafka_port, controller_port)
    mongod = Mongod(folder / "mongod", mongo_port)
    children: list[Child] = []
    try:
        if mongo_url is None:
            mongod_child = Child(mongod.command(), log=folder / "mongod.log")
            children.append(mongod_child)
        if kafka_url is None:
            kafka_child = Child(kafka.command(), log=folder / "kafka.log")
            children.append(kafka_child)
            said = wait_until(lambda: kafka_problem(kafka.bootstrap), kafka_child, 60)
            assert said is None, f"{said}\n{(folder / 'kafka.log').read_text()[-2000:]}"
        if mongo_url is None:
            said = wait_until(mongod.why_not_ready, mongod_child, 60)
            assert said is None, f"{said}\n{(folder / 'mongod.log').read_text()[-2000:]}"
        yield Engines(kafka_url or kafka.bootstrap, mongo_url or mongod.url, os.environ.get("CVOPS_TEST_OBJECTS"))
    finally:
        for child in children:
            child.kill()  # what they hold is thrown away with the folder


@pytest.fixture(scope="session")
def kafka_url(engines: Engines) -> str:
    """Bootstrap address of a real Kafka, host:port."""
    return engines.kafka


@pytest.fixture(scope="session")
def mongo_url(engines: Engines) -> str:
    """URL of a real MongoDB replica set."""
    return engines.mongo


@pytest.fixture
def objects_url(tmp_path: Path) -> str:
    """URL of an object store: CVOPS_TEST_OBJECTS, else a folder that only this test has."""
    given = os.environ.get("CVOPS_TEST_OBJECTS")
    if given:
        return f"{given.rstrip('/')}/{tmp_path.name}"
    folder = tmp_path / "objects"
    folder.mkdir()
    return folder.as_uri()


@pytest.fixture(scope="session")
def tiny_detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundle of a small detector that was trained on `tests.small_detectors.draw`, once for all processes of a run."""
    from filelock import FileLock

    from tests.small_detectors import train_tiny

    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "tiny"
    with FileLock(f"{folder}.lock"):
        if not (done := folder / "done").is_file():
            folder.mkdir(exist_ok=True)
            done.write_text(train_tiny(folder).name)
    return folder / done.read_text()
