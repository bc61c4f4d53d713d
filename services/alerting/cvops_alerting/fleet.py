"""The fleet as alerting knows it: projects, cameras with what they have in common, and what serves them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from google.protobuf.message import Message

from cvops_common.errors import CvopsError
from cvops_common.projects import with_defaults
from cvops_common.records import Record
from cvops_common.selectors import Selector, bucket
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.project_pb2 import Project

M = TypeVar("M", bound=Message)

_SERVING = (ModelReleased.STAGE_CANARY, ModelReleased.STAGE_CHAMPION, ModelReleased.STAGE_ROLLED_BACK)


@dataclass(slots=True)
class Fleet:
    """Tables of this replica, each by its key."""

    cameras: dict[str, Camera] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    releases: dict[str, ModelReleased] = field(default_factory=dict)

    def on_cameras(self, records: Sequence[Record[Camera]]) -> None:
        """Follows the registry of cameras."""
        _follow(self.cameras, records)

    def on_projects(self, records: Sequence[Record[Project]]) -> None:
        """Follows the projects."""
        _follow(self.projects, records)

    def on_released(self, records: Sequence[Record[ModelReleased]]) -> None:
        """Follows the releases."""
        _follow(self.releases, records)

    def project(self, name: str) -> Project:
        """A project with defaults filled in; one that was never declared is all defaults."""
        return with_defaults(self.projects.get(name) or Project(project=name))

    def project_of(self, camera_id: str) -> str:
        """The project of a camera; empty: not known."""
        camera = self.cameras.get(camera_id)
        return camera.project if camera is not None else ""

    def attributes(self, project: str) -> dict[str, Mapping[str, str]]:
        """What the cameras of a project have in common or not, by camera id: firmware, model, site, lens, tags."""
        releases = [each for each in self.releases.values() if each.project == project and each.stage in _SERVING]
        return {
            camera.camera_id: _attributes(camera, releases)
            for camera in self.cameras.values()
            if camera.project == project
        }


def _attributes(camera: Camera, releases: Sequence[ModelReleased]) -> dict[str, str]:
    found = {
        "firmware": camera.firmware,
        "model": _model(camera, releases),
        "site": camera.site,
        "lens": camera.lens,
        **dict(sorted(camera.tags.items())),
    }
    return {name: value for name, value in found.items() if value}


def _model(camera: Camera, releases: Sequence[ModelReleased]) -> str:
    """The models that serve a camera, as "name:version"; several are joined by "+"."""
    mine = [each for each in releases if bucket(camera.camera_id) < each.percent and _selects(each, camera)]
    taken = {each.takes_over for each in mine if each.takes_over}
    return "+".join(sorted(f"{each.model.name}:{each.model.version}" for each in mine if each.slot not in taken))


def _selects(released: ModelReleased, camera: Camera) -> bool:
    try:
        return Selector.parse(released.selector).matches(camera)
    except CvopsError:
        return False


def _follow(table: dict[str, M], records: Sequence[Record[M]]) -> None:
    for record in records:
        if record.message is None:
            table.pop(record.key, None)
        else:
            table[record.key] = record.message
