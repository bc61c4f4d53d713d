"""Projects: the file, the door, the defaults and what is told of a change."""

from pathlib import Path

import pytest

from cvops_common.errors import BadArgument
from cvops_common.project_rules import FAULTS
from cvops_common.projects import changes, check, parse, to_yaml, with_defaults
from cvops_monitoring.health.faults import FaultKind
from cvops_protos.v1.project_pb2 import Project

ROADS = """
project: roads
task: detect
classes: [car, van, "on"]
edge_cases:
  budget_frames: 40
training:
  recipe: detector-tiny
  params: {steps: 250, rate: 1e-3}
alerts:
  routes:
    - {name: ops, kind: slack, secret_env: OPS_SLACK, least_severity: critical}
"""


def test_a_file_becomes_the_project_that_it_declares_and_nothing_else():
    project = parse(ROADS, "roads.yaml")
    assert list(project.classes) == ["car", "van", "on"]
    assert project.edge_cases.budget_frames == 40
    assert not project.edge_cases.HasField("budget_boxes")
    assert dict(project.training.params) == {"steps": "250", "rate": "1e-3"}
    assert project.alerts.routes[0].secret_env == "OPS_SLACK"
    assert not project.HasField("loop")


def test_defaults_fill_what_is_absent_and_leave_what_is_said():
    project = with_defaults(parse("project: a\nloop: {enabled: false, excluded_faults: [moved]}", "a.yaml"))
    assert not project.loop.enabled
    assert list(project.loop.excluded_faults) == ["moved"]
    assert project.loop.settle_s == 15
    assert project.edge_cases.budget_frames == 100
    assert "infrared" not in with_defaults(Project(project="a")).loop.excluded_faults
    check(with_defaults(Project()))


def test_a_written_project_is_read_to_the_same():
    project = with_defaults(parse(ROADS, "roads.yaml"))
    project.revision = 7
    again = parse(to_yaml(project), "again.yaml")
    project.ClearField("revision")
    assert again == project


def test_the_faults_are_those_that_drift_tells():
    assert set(FAULTS) == {str(kind) for kind in FaultKind}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("project: a\nclases: [x]", "line 2: a project has no field 'clases': did you mean classes?"),
        ("project: a\nedge_cases:\n  budget: 3", "line 3: edge_cases has no field 'budget'"),
        ("project: a\nrevision: 3", "line 2: a project has no field 'revision'"),
        (
            "project: a\nedge_cases:\n  keep_share: 2",
            "line 3: edge_cases.keep_share: expected 0 to 1 as a share, found 2",
        ),
        ("project: a\nedge_cases: {keep_share: .nan}", "line 2: edge_cases.keep_share: expected 0 to 1"),
        ("project: a\nedge_cases: {lease_s: -1}", "line 2: edge_cases.lease_s: expected 0 or more, found -1"),
        ("project: a\nedge_cases: {lease_s: 1.5}", "expected a whole number, found '1.5'"),
        ("project: a\nclasses: [x, on]", "classes.1: expected words, found 'on'; put it in quotes"),
        ("project: a\nclasses: [x, x]", "classes.1: 'x' stands there twice"),
        (
            "project: a\nloop:\n  excluded_faults:\n  - mooved",
            "line 4: loop.excluded_faults.0: 'mooved' is not known: did",
        ),
        ("project: a\nalerts: {routes: [{name: x, kind: webhook}]}", "alerts.routes.0.url: absent, but a webhook"),
        ("project: a\nalerts: {routes: [{name: x, kind: slack, url: 'file:///etc'}]}", "routes.0.url: expected http"),
        ("project: a b", "line 1: project: name 'a b' cannot be used"),
        ("project: a\nproject: b", "line 2: a project: 'project' stands there twice"),
        ("project: [a", "line 1: this is no YAML"),
        ("- a", "line 1: a project: expected fields"),
        ("", "the file is empty"),
        ("task: detect", "line 1: project: name '' cannot be used"),
    ],
)
def test_a_wrong_file_is_refused_with_line_field_and_cure(text, said):
    with pytest.raises(BadArgument) as refused:
        parse(text, "p.yaml")
    assert said in str(refused.value)
    assert str(refused.value).startswith("p.yaml")


def test_a_secret_in_the_wrong_place_is_not_repeated():
    with pytest.raises(BadArgument) as refused:
        parse("project: a\nalerts: {routes: [{name: x, kind: slack, secret_env: 'https://hooks/T0/SECRET'}]}", "p.yaml")
    assert "SECRET" not in str(refused.value)


def test_changes_name_each_field_and_defaults_are_no_change():
    old = parse(ROADS, "roads.yaml")
    assert changes(old, with_defaults(old)) == []
    new = parse(ROADS.replace("detector-tiny", "yolox").replace("critical", "warning"), "roads.yaml")
    assert changes(old, new) == [
        "training.recipe: detector-tiny -> yolox",
        "alerts.routes.ops.least_severity: critical -> warning",
    ]
    assert changes(None, new) == ["project roads is new"]


def test_the_documented_defaults_are_the_defaults():
    text = (Path(__file__).resolve().parents[2] / "docs/projects.md").read_text()
    declared = parse(text[text.index("```yaml\n") + 8 : text.index("\n```\n")], "projects.md")
    assert declared == with_defaults(Project(project="default"))
