"""The promises about docker-compose.yml, kept by the file and enforced by the check."""

import copy
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_compose", REPO / "tools" / "check_compose.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def compose() -> dict[str, Any]:
    return yaml.safe_load((REPO / "docker-compose.yml").read_text())


def test_the_file_keeps_its_promises(check: ModuleType, compose: dict[str, Any]):
    assert list(check.broken_promises(compose)) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda services: services["ingest"].pop("healthcheck"), "ingest: no healthcheck"),
        (lambda services: services["mongo"].update(image="mongo:latest"), "mongo: image 'mongo:latest'"),
        (lambda services: services["s3"].update(image="versity/versitygw"), "s3: image"),
        (lambda services: services["trainer"].update(ports=["7130:7100"]), "trainer: port 7130:7100"),
        (lambda services: services["kafka"].update(ports=["0.0.0.0:1:1"]), "kafka: port 0.0.0.0:1:1"),
        (lambda services: services["kafka"].pop("mem_limit"), "kafka: no mem_limit"),
        (
            lambda services: services["mongo"]["environment"].update(MONGO_INITDB_ROOT_PASSWORD="hunter2"),
            "mongo: MONGO_INITDB_ROOT_PASSWORD is written into the file",
        ),
    ],
)
def test_a_broken_promise_is_told_with_its_service(
    check: ModuleType, compose: dict[str, Any], damage: Callable[[dict[str, Any]], object], said: str
):
    damaged = copy.deepcopy(compose)
    damage(damaged["services"])
    faults = list(check.broken_promises(damaged))
    assert len(faults) == 1
    assert faults[0].startswith(said)


def test_compose_itself_takes_the_file_and_wants_every_password(check: ModuleType):
    command = check.find_compose()
    if command is None:
        pytest.skip("no Docker Compose on PATH; `make lint` checks this in CI")
    assert check.compose_faults(command) == []


def test_the_image_of_each_service_is_built_from_the_lock_of_that_service(compose: dict[str, Any]):
    built = {service["build"]["args"]["SERVICE"] for service in compose["services"].values() if "build" in service}
    assert built == {"ingest", "inference", "drift", "labeling", "trainer", "alerting"}
    assert all((REPO / "requirements" / f"{service}.txt").is_file() for service in built)
