"""Images are inspected by threads or by processes with the same outcome, whatever happens to a process."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from cvops_common.errors import BadImage
from cvops_ingest import inspectors
from cvops_ingest.inspection import Inspection, Wish, inspect_all
from cvops_ingest.inspector import Hello
from cvops_ingest.inspectors import SHARED_BYTES, Finding, Inspector, Inspectors
from cvops_ingest.settings import IngestSettings
from cvops_vision.probe import DEFAULT_LIMITS
from tests.ingest.conftest import jpeg

WISHES = [Wish(jpeg(0), thumbnail=True), Wish(b"no image"), Wish(jpeg(1)), Wish(jpeg(2)[:-500])]


def told(findings: list[Finding]) -> list[object]:
    """What can be compared: exceptions with the same content are not equal."""
    return [(finding.reason, str(finding)) if isinstance(finding, BadImage) else finding for finding in findings]


def processes_that_inspect() -> set[int]:
    """Of this test run; services that other tests left running may have some."""
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it has just ended
            if "cvops_ingest.inspector" in child.cmdline():
                found.add(child.pid)
    return found


@pytest.fixture
def inspector() -> Iterator[Inspector]:
    """A process that is ready."""
    inspector = Inspector(Hello(DEFAULT_LIMITS, "info", "text"))
    deadline = time.monotonic() + 60
    while not inspector.is_ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield inspector
    inspector.end()


def test_a_process_finds_what_a_thread_finds_also_after_it_was_killed_and_ends_when_asked(inspector: Inspector) -> None:
    expected = told(inspect_all(WISHES, DEFAULT_LIMITS))
    assert told(inspector.inspect_all(WISHES)) == expected
    first = inspector.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert told(inspector.inspect_all(WISHES)) == expected
    second = inspector.pid
    assert second is not None
    assert second != first
    inspector.end()
    assert not psutil.pid_exists(second)


def test_what_does_not_fit_into_the_shared_memory_is_inspected_all_the_same(inspector: Inspector) -> None:
    padded = jpeg(3) + b"\0" * (SHARED_BYTES // 2)
    (found, _) = inspector.inspect_all([Wish(padded), Wish(padded)])
    assert isinstance(found, Inspection)
    assert found.stats.n_bytes == len(padded)


def test_an_image_over_which_the_process_dies_again_and_again_is_refused_and_the_others_are_not(
    inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = inspector._ask

    def deadly(wishes: list[Wish]) -> list[Finding]:
        if any(wish.image == b"deadly" for wish in wishes):
            assert inspector.pid is not None
            os.kill(inspector.pid, signal.SIGKILL)
        return ask(wishes)

    monkeypatch.setattr(inspector, "_ask", deadly)
    good, refused = inspector.inspect_all([Wish(jpeg(4)), Wish(b"deadly")])
    assert isinstance(good, Inspection)
    assert isinstance(refused, BadImage)
    assert refused.reason == "undecodable"


def test_threads_go_on_alone_where_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    before = processes_that_inspect()
    monkeypatch.setattr(inspectors.sys, "executable", "/bin/false")
    alone = Inspectors(IngestSettings(inspect_threads=1))
    for _ in range(3):
        assert told(alone.inspect_all(WISHES)) == told(inspect_all(WISHES, DEFAULT_LIMITS))
        time.sleep(0.05)
    alone.close()
    assert processes_that_inspect() <= before


def test_few_images_start_no_process() -> None:
    before = processes_that_inspect()
    both = Inspectors(IngestSettings(inspect_threads=1))
    assert isinstance(both.inspect_all([Wish(jpeg(5))])[0], Inspection)
    assert processes_that_inspect() <= before
    both.close()
