"""What a project may hold: the checks at the door."""

import math
import re
from collections.abc import Iterator
from difflib import get_close_matches
from urllib.parse import urlparse

from cvops_common.errors import BadArgument
from cvops_common.ids import check_name
from cvops_protos.v1.project_pb2 import Project

TASKS = ("detect", "classify")
SEVERITIES = ("info", "warning", "critical")
ROUTE_KINDS = ("slack", "pagerduty", "webhook")
INCIDENT_KINDS = ("drift", "camera", "release", "training")
# The faults of cameras that drift knows, `cvops_monitoring.health.faults.FaultKind`.
FAULTS = (
    "moved",
    "defocus",
    "covered",
    "dirt",
    "dark",
    "overexposed",
    "frozen",
    "colour_cast",
    "infrared",
    "channels_swapped",
    "late",
    "slow",
    "gaps",
    "clock_offset",
    "size_changed",
    "codec_changed",
)

# Least and greatest value of each number, with its unit.
_RANGES: dict[str, tuple[float, float, str]] = {
    "edge_cases.budget_boxes": (1, 1_000_000, "boxes"),
    "edge_cases.budget_frames": (1, 100_000, "frames"),
    "edge_cases.random_share": (0, 1, "as a share"),
    "edge_cases.duplicate_bits": (0, 64, "bits"),
    "edge_cases.keep_share": (0, 1, "as a share"),
    "edge_cases.lease_s": (1, 86_400, "seconds"),
    "drift.false_alarm_days": (0.001, 36_500, "days"),
    "release.shadow_frames": (1, 1_000_000, "frames"),
    "release.canary_share": (0, 1, "as a share"),
    "release.canary_frames": (1, 1_000_000, "frames"),
    "release.stage_timeout_s": (1, 30 * 86_400, "seconds"),
    "release.error_rate": (1e-6, 0.5, "as a probability"),
    "release.most_clean_loss": (0, 1, "of mAP50"),
    "release.least_gain": (-1, 1, "of mAP50"),
    "release.most_class_loss": (0, 1, "of AP50"),
    "release.most_latency_ratio": (0.01, 1000, "times the champion's"),
    "alerts.pending_s": (0, 86_400, "seconds"),
    "alerts.group_s": (0, 86_400, "seconds"),
    "loop.most_open": (1, 1000, "episodes"),
    "loop.most_per_day": (0, 10_000, "episodes"),
    "loop.settle_s": (0, 86_400, "seconds"),
    "loop.timeout_s": (1, 30 * 86_400, "seconds"),
}
_MOST_CLASSES = 10_000
_MOST_ROUTES = 100
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Problem = tuple[str, str]
"""A field and what is wrong with it: expected, found, cure."""


def check(project: Project) -> Project:
    """`project` itself when every field can be used; absent fields are none of its business.

    Raises:
        BadArgument: names the field, what was expected, what was found and the cure.
    """
    for field, sentence in problems(project):
        raise BadArgument(f"project {project.project[:80]!r}: {field}: {sentence}")
    return project


def problems(project: Project) -> Iterator[Problem]:
    """All that is wrong with a project."""
    yield from _name("project", project.project)
    yield from _one_of("task", project.task, TASKS)
    yield from _classes(project)
    yield from _numbers(project)
    yield from _training(project.training)
    yield from _routes(project.alerts)
    yield from _one_of("loop.least_severity", project.loop.least_severity, SEVERITIES)
    for i, fault in enumerate(project.loop.excluded_faults):
        yield from _one_of(f"loop.excluded_faults.{i}", fault, FAULTS, empty=False)


def nearest(found: str, known: tuple[str, ...]) -> str:
    """What was probably meant, as the end of a sentence; else all that is known."""
    close = get_close_matches(found, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"expected one of {', '.join(known)}"


def _numbers(project: Project) -> Iterator[Problem]:
    for field, (least, most, unit) in _RANGES.items():
        section, _, name = field.partition(".")
        message = getattr(project, section)
        if not message.HasField(name):
            continue
        value = getattr(message, name)
        if not (math.isfinite(value) and least <= float(f"{value:.7g}") <= most):
            yield field, f"expected {least:g} to {most:g} {unit}, found {value:g}; change it, or leave it out"


def _classes(project: Project) -> Iterator[Problem]:
    if len(project.classes) > _MOST_CLASSES:
        yield "classes", f"expected at most {_MOST_CLASSES}, found {len(project.classes)}; remove some"
    seen: set[str] = set()
    for i, name in enumerate(project.classes):
        if not name.strip() or len(name) > 100 or not name.isprintable():
            yield f"classes.{i}", f"expected 1 to 100 printable characters, found {name[:80]!r}; name it otherwise"
        elif name in seen:
            yield f"classes.{i}", f"{name!r} stands there twice; every class has one id, remove one"
        seen.add(name)


def _training(training: Project.Training) -> Iterator[Problem]:
    if training.HasField("recipe"):
        yield from _name("training.recipe", training.recipe)
    if training.replay:
        for part in training.replay.split(":", 1):
            yield from _name("training.replay", part)
    for name in training.params:
        yield from _name(f"training.params.{name}", name)


def _routes(alerts: Project.Alerts) -> Iterator[Problem]:
    if len(alerts.routes) > _MOST_ROUTES:
        yield "alerts.routes", f"expected at most {_MOST_ROUTES}, found {len(alerts.routes)}; remove some"
    seen: set[str] = set()
    for i, route in enumerate(alerts.routes):
        at = f"alerts.routes.{i}"
        yield from _name(f"{at}.name", route.name)
        if route.name in seen:
            yield f"{at}.name", f"{route.name!r} stands there twice; name each route once"
        seen.add(route.name)
        yield from _one_of(f"{at}.kind", route.kind, ROUTE_KINDS, empty=False)
        yield from _one_of(f"{at}.least_severity", route.least_severity, SEVERITIES)
        for k, kind in enumerate(route.kinds):
            yield from _one_of(f"{at}.kinds.{k}", kind, INCIDENT_KINDS, empty=False)
        yield from _address(at, route)


def _address(at: str, route: Project.Alerts.Route) -> Iterator[Problem]:
    if route.url and (urlparse(route.url).scheme not in ("http", "https") or not urlparse(route.url).netloc):
        yield f"{at}.url", f"expected http://... or https://..., found {route.url[:80]!r}; write the whole address"
    if route.secret_env and not _ENVIRONMENT_NAME.fullmatch(route.secret_env):
        found = f"{route.secret_env[:3]}..." if len(route.secret_env) > 6 else "other characters"
        sentence = f"expected the name of an environment variable of alerting, found {found}; no secret stands here"
        yield f"{at}.secret_env", sentence
    if route.kind == "pagerduty" and not route.secret_env:
        yield f"{at}.secret_env", "absent, but pagerduty needs its routing key; name the variable that holds it"
    if route.kind == "webhook" and not route.url:
        yield f"{at}.url", "absent, but a webhook needs an address; write http://... or https://..."
    if route.kind == "slack" and not (route.url or route.secret_env):
        yield f"{at}.secret_env", "absent, but slack needs its address; name the variable that holds it"


def _one_of(field: str, found: str, known: tuple[str, ...], *, empty: bool = True) -> Iterator[Problem]:
    if found not in known and not (empty and not found):
        yield field, f"{found[:80]!r} is not known: {nearest(found, known)}"


def _name(field: str, found: str) -> Iterator[Problem]:
    try:
        check_name("name", found)
    except BadArgument as error:
        yield field, str(error)
