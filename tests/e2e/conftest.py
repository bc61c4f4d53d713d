"""One platform for the tests that only use it; tests that break it start their own."""

from collections.abc import Iterator

import pytest

from tests.e2e.collector import Traces, collected_traces
from tests.e2e.hook import Hook, listening
from tests.e2e.whole_platform import Platform, running_platform


@pytest.fixture(scope="session")
def traces() -> Iterator[Traces]:
    """What the services of `platform` export."""
    with collected_traces() as collected:
        yield collected


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory, traces: Traces) -> Iterator[Platform]:
    """A running platform, shared by tests that leave it whole."""
    with running_platform(tmp_path_factory.mktemp("platform") / "data", otlp=traces.url) as started:
        yield started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here starts processes and takes its time."""
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(400))


@pytest.fixture
def hook() -> Iterator[Hook]:
    with listening() as server:
        yield server
