"""Engines in containers, of the images that docker-compose.yml names. Only with CVOPS_TEST_CONTAINERS=1."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

import pytest
import yaml

REPO = Path(__file__).resolve().parents[2]
WANTED = os.environ.get("CVOPS_TEST_CONTAINERS") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    """Leaves these tests out, counted as deselected, where nobody asked for containers."""
    here = Path(__file__).parent
    left_out = [] if WANTED else [item for item in items if here in item.path.parents]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session", autouse=True)
def docker_engine() -> None:
    """Who asks for containers and has no engine is told so at once."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env()
    except DockerException as error:
        pytest.exit(f"CVOPS_TEST_CONTAINERS=1 needs a Docker engine that answers: {error}", returncode=1)
    client.close()


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """Image of each service in docker-compose.yml: what is tested is what is deployed."""
    services = yaml.safe_load((REPO / "docker-compose.yml").read_text())["services"]
    return {name: service["image"] for name, service in services.items()}


@pytest.fixture(scope="session")
def kafka_container(images: dict[str, str]) -> Iterator[str]:
    """Bootstrap address of a Kafka in a container."""
    from cvops_local.probes import kafka_problem

    port = free_port()
    environment = {
        "CLUSTER_ID": "Y3ZvcHMtY29udGFpbmVyLQ",
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://0.0.0.0:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    }
    with container(images["kafka"], 9092, port, environment):
        wait_until_well(lambda: kafka_problem(f"127.0.0.1:{port}"))
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def mongo_container(images: dict[str, str]) -> Iterator[str]:
    """URL of a MongoDB replica set of one in a container."""
    from cvops_local.engines.mongod import Mongod

    port = free_port()
    # The same port inside and outside, so that the member's name in the replica set is right on both sides.
    command = ["mongod", "--replSet", "rs0", "--bind_ip_all", "--port", str(port)]
    with container(images["mongo"], port, port, {}, command):
        mongod = Mongod(Path(), port)
        wait_until_well(mongod.why_not_ready)
        yield mongod.url


@pytest.fixture(scope="session")
def s3_container(images: dict[str, str]) -> Iterator[str]:
    """URL of a bucket on an S3 server in a container; its endpoint and credentials are in AWS_* meanwhile."""
    port, access, secret = free_port(), token_hex(16), token_hex(16)
    server = {"ROOT_ACCESS_KEY_ID": access, "ROOT_SECRET_ACCESS_KEY": secret, "VGW_PORT": ":7070"}
    client = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": access,
        "AWS_SECRET_ACCESS_KEY": secret,
    }
    with container(images["s3"], 7070, port, server, ["posix", "/tmp"]), pytest.MonkeyPatch.context() as patch:
        for name, value in client.items():
            patch.setenv(name, value)
        wait_until_well(lambda: bucket_problem("cvops-test"))
        yield "s3://cvops-test"


@contextmanager
def container(
    image: str, inside: int, outside: int, environment: dict[str, str], command: list[str] | None = None
) -> Iterator[None]:
    """A container whose port `inside` is `outside` on the loopback; removed at the end."""
    from testcontainers.core.container import DockerContainer

    started = DockerContainer(image).with_envs(**environment)
    started.ports[f"{inside}/tcp"] = ("127.0.0.1", outside)
    if command is not None:
        started = started.with_command(command)
    with started:
        yield


def bucket_problem(bucket: str) -> str | None:
    """Why a bucket cannot be made; None when it is there."""
    from cvops_common.errors import Unavailable
    from cvops_common.s3 import ensure_bucket

    try:
        ensure_bucket(bucket)
    except Unavailable as error:
        return str(error)
    return None


def wait_until_well(problem: Callable[[], str | None], within_s: float = 90) -> None:
    """Returns when there is no problem any more; fails with the last one at the deadline."""
    deadline = time.monotonic() + within_s
    while (said := problem()) is not None:
        assert time.monotonic() < deadline, f"after {within_s} s: {said}"
        time.sleep(0.2)


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
