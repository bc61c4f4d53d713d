"""A scenario: a fleet, a duration, and what happens to whom; read from a small YAML file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from cvops_sim.effects.registry import EFFECTS
from cvops_sim.errors import ScenarioError
from cvops_sim.fleet import SELECTABLE, Mounted, mount
from cvops_sim.scene.layout import SiteKind
from cvops_sim.simcam import Clock, SimCamera
from cvops_sim.timeline import Occurrence

_UNITS_S = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def _seconds(given: Any) -> Any:
    """Seconds of 90, "90s", "1.5m", "2h" or "1d"."""
    if not isinstance(given, str):
        return given
    found = re.fullmatch(r"\s*([0-9.]+)\s*([smhd]?)\s*", given)
    if found is None:
        raise ValueError(f"{given!r} is no duration: expected a number with s, m, h or d, e.g. 90s")
    return float(found[1]) * _UNITS_S[found[2]]


def _size(given: Any) -> Any:
    found = re.fullmatch(r"(\d+)x(\d+)", given) if isinstance(given, str) else None
    if found is None:
        raise ValueError(f"{given!r} is no size: expected WIDTHxHEIGHT, e.g. 640x360")
    return int(found[1]), int(found[2])


def _text(given: Any) -> Any:
    return str(given) if isinstance(given, int | float) else given


Seconds = Annotated[float, BeforeValidator(_seconds)]
Size = Annotated[tuple[int, int], BeforeValidator(_size)]
Text = Annotated[str, BeforeValidator(_text)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SitePart(_Part):
    """A site and its cameras."""

    site: str = Field(pattern=r"^[A-Za-z0-9._-]{1,48}$")
    cameras: int = Field(1, ge=1, le=1000)
    kind: SiteKind | None = None
    firmware: Text = "1.0"
    resolution: Size = (640, 360)


class EffectPart(_Part):
    """Something that happens to the cameras that `where` selects."""

    effect: str
    where: dict[str, Text] = Field(default_factory=dict)
    start: Seconds = Field(0.0, ge=0)
    ramp: Seconds = Field(0.0, ge=0)
    end: Seconds | None = None
    magnitude: float = 1.0

    @model_validator(mode="after")
    def _known(self) -> "EffectPart":
        kind = EFFECTS.get(self.effect)
        if kind is None:
            raise ValueError(f"effect {self.effect!r} is not known: expected one of {', '.join(EFFECTS)}")
        if not kind.lowest <= self.magnitude <= kind.highest:
            raise ValueError(
                f"magnitude {self.magnitude:g} of {self.effect}: expected {kind.lowest:g} to {kind.highest:g} "
                f"({kind.magnitude})"
            )
        if unknown := set(self.where) - set(SELECTABLE):
            raise ValueError(
                f"where: {', '.join(sorted(unknown))} cannot be selected by: expected {', '.join(SELECTABLE)}"
            )
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"end {self.end:g} s is not after start {self.start:g} s")
        return self


class ScenarioPart(_Part):
    """The whole file."""

    name: str = ""
    seed: int = 1
    duration: Seconds = Field(60.0, gt=0)
    fps: float = Field(5.0, gt=0, le=60)
    hour: float = Field(12.0, ge=0, lt=24)
    time_lapse: float = Field(1.0, ge=0)
    fleet: tuple[SitePart, ...] = Field(min_length=1)
    effects: tuple[EffectPart, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """A scenario that can be played.

    Attributes:
        name: of the file when it gives none.
        duration_s: how long it takes.
        fps: frames a second of each camera.
        hour: local time of day at its begin.
        time_lapse: seconds of daylight for each second.
        cameras: the fleet.
        occurrences: by camera id, what happens to it.
    """

    name: str
    duration_s: float
    fps: float
    hour: float
    time_lapse: float
    cameras: tuple[Mounted, ...]
    occurrences: dict[str, tuple[Occurrence, ...]]

    @property
    def frames(self) -> int:
        """Frames of each camera."""
        return max(1, round(self.duration_s * self.fps))

    def play(self, mounted: Mounted, start_ns: int) -> SimCamera:
        """A camera of it, whose time begins at `start_ns` (nanoseconds since the epoch)."""
        clock = Clock(self.fps, start_ns, self.hour, self.time_lapse)
        return SimCamera(mounted, self.occurrences[mounted.camera_id], clock)


EPOCH_NS = int(datetime(2026, 1, 15, tzinfo=UTC).timestamp()) * 1_000_000_000
"""When a scenario begins that is not played live."""


def shipped() -> list[str]:
    """Names of the scenarios that come with the simulator."""
    folder = files("cvops_sim") / "scenarios"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load(where: str) -> Scenario:
    """The scenario in a file, or one that is shipped, by name.

    Raises:
        ScenarioError: it does not exist, or says something that makes no sense; names line and cure.
    """
    path = Path(where)
    if path.is_file():
        return parse(path.read_text(), path.name)
    if where in shipped():
        return parse((files("cvops_sim") / "scenarios" / f"{where}.yaml").read_text(), where)
    raise ScenarioError(
        f"scenario {where!r} is no file and not shipped: expected a YAML file or {', '.join(shipped())}"
    )


def parse(text: str, name: str) -> Scenario:
    """A scenario from its YAML.

    Raises:
        ScenarioError: it says something that makes no sense.
    """
    try:
        tree = yaml.compose(text, yaml.SafeLoader)
        given = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ScenarioError(f"{name}, line {line}: no YAML: {error.problem}") from error
    if not isinstance(given, dict):
        raise ScenarioError(f"{name}, line 1: expected fields such as fleet and effects; see `cvops sim run --help`")
    try:
        part = ScenarioPart.model_validate(given)
    except ValidationError as error:
        raise ScenarioError("\n".join(_explain(error, tree, name))) from error
    return _built(part, name)


def _built(part: ScenarioPart, name: str) -> Scenario:
    cameras = tuple(
        mount(part.seed, each.site, index, kind=each.kind, firmware=each.firmware, size_wh=each.resolution)
        for each in part.fleet
        for index in range(each.cameras)
    )
    if len({mounted.camera_id for mounted in cameras}) < len(cameras):
        raise ScenarioError(f"{name}: a site stands twice in the fleet; give each its own name")
    for effect in part.effects:
        if not any(mounted.matches(effect.where) for mounted in cameras):
            raise ScenarioError(f"{name}: effect {effect.effect} selects no camera with {effect.where}")
    occurrences = {
        mounted.camera_id: tuple(_occurrence(effect) for effect in part.effects if mounted.matches(effect.where))
        for mounted in cameras
    }
    title = part.name or name.removesuffix(".yaml")
    return Scenario(title, part.duration, part.fps, part.hour, part.time_lapse, cameras, occurrences)


def _occurrence(part: EffectPart) -> Occurrence:
    end_s = float("inf") if part.end is None else part.end
    return Occurrence(EFFECTS[part.effect], part.magnitude, part.start, part.ramp, end_s)


def _explain(error: ValidationError, tree: yaml.Node | None, name: str) -> Iterator[str]:
    for item in error.errors():
        path = [step for step in item["loc"] if not (isinstance(step, str) and step.startswith("function"))]
        words = item["msg"].removeprefix("Value error, ")
        field = ".".join(str(step) for step in path)
        yield f"{name}, line {_line(tree, path)}: {f'{field}: ' if field else ''}{words}"


def _line(node: yaml.Node | None, path: list[int | str]) -> int:
    """The line, from 1, of the last part of a path that stands in the file."""
    line = 1 if node is None else node.start_mark.line + 1
    for step in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == step), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line
