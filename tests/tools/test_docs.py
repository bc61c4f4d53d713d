"""The documents say what the code does."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvops_common import errors
from cvops_common.app import App
from cvops_common.topics import TOPICS

REPO = Path(__file__).resolve().parents[2]
SERVICES = ("ingest", "inference", "drift", "labeling", "trainer", "alerting")


def reasons() -> Iterator[str]:
    """Every reason that is given to an error where it is raised."""
    for folder in ("libs/common", "libs/vision", "libs/bundles", "services"):
        for path in set((REPO / folder).rglob("*.py")) - {Path(errors.__file__)}:
            for node in ast.walk(ast.parse(path.read_text())):
                handed = isinstance(node, ast.keyword) and node.arg == "reason"
                chosen = isinstance(node, ast.Assign) and [getattr(t, "id", "") for t in node.targets] == ["reason"]
                if handed or chosen:
                    given = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
                    yield from (value for value in given if isinstance(value, str))


def kinds(error: type[errors.CvopsError] = errors.CvopsError) -> Iterator[type[errors.CvopsError]]:
    """All kinds of errors."""
    for kind in error.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_every_reason_that_is_given_to_an_error_is_explained():
    found = {reason for reason in reasons() if re.fullmatch("[a-z_]+", reason)}
    assert {"unknown_camera", "truncated", "parity"} <= found  # else nothing was found
    text = (REPO / "docs/errors.md").read_text()
    assert {reason for reason in found if f"`{reason}`" not in text} == set()


def test_every_kind_of_error_is_explained_and_its_reason_is_its_name():
    text = (REPO / "docs/errors.md").read_text()
    for kind in set(kinds()) - {errors.Rejected}:
        if kind.__module__ == errors.__name__:
            assert f"`{kind.__name__}`" in text
            assert kind.reason == re.sub("(?<!^)([A-Z])", r"_\1", kind.__name__).lower()


def built(service: str) -> App:
    """The app of a service, with the settings that it has when nothing is set."""
    module = __import__(f"cvops_{service}.app", fromlist=["build"])
    settings = getattr(__import__(f"cvops_{service}.settings", fromlist=["x"]), f"{service.capitalize()}Settings")
    app: App = module.build(settings())
    return app


@pytest.mark.parametrize("service", SERVICES)
def test_a_readme_names_the_topics_that_its_service_reads(
    service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    text = (REPO / "services" / service / "README.md").read_text()
    table = text[text.index("| events in") : text.index("events out")]
    assert set(re.findall(r"`([a-z-]+)`", table)) & TOPICS.keys() == set(built(service).bus.consumed)


@pytest.mark.parametrize("service", SERVICES)
def test_the_readme_of_the_project_names_the_topics_between_services(service: str):
    row = next(line for line in (REPO / "README.md").read_text().splitlines() if line.startswith(f"| {service} |"))
    read = set(built(service).bus.consumed)
    own = set(re.findall(r"`([a-z-]+)`", row.split("|")[4]))
    assert set(re.findall(r"`([a-z-]+)`", row.split("|")[3])) == read - own  # a replica reads its own tables too
