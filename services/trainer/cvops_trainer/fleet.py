"""What the trainer knows of projects and cameras: its own copy of three compacted topics."""

from collections.abc import Sequence

from cvops_common.projects import with_defaults
from cvops_common.records import Record
from cvops_common.selectors import Selector
from cvops_protos.v1.alerting_pb2 import LoopStatus
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.project_pb2 import Project

_COUNTS = (ModelReleased.STAGE_CHAMPION, ModelReleased.STAGE_ROLLED_BACK)
CHAMPION_SLOT = "champion"


class Fleet:
    """Projects, cameras and the hand brake, as events told them."""

    def __init__(self) -> None:
        self._projects: dict[str, Project] = {}
        self._cameras: dict[str, Camera] = {}
        self._paused: set[str] = set()

    def on_projects(self, records: Sequence[Record[Project]]) -> None:
        """Learns projects; a tombstone forgets one."""
        for record in records:
            if record.message is None:
                self._projects.pop(record.key, None)
            else:
                self._projects[record.key] = record.message

    def on_cameras(self, records: Sequence[Record[Camera]]) -> None:
        """Learns cameras; a tombstone forgets one."""
        for record in records:
            if record.message is None:
                self._cameras.pop(record.key, None)
            else:
                self._cameras[record.key] = record.message

    def on_loop(self, records: Sequence[Record[LoopStatus]]) -> None:
        """Learns who pulled the hand brake."""
        for record in records:
            if record.message is not None and record.message.paused:
                self._paused.add(record.key)
            else:
                self._paused.discard(record.key)

    def project(self, name: str) -> Project:
        """A project with its defaults."""
        return with_defaults(self._projects.get(name) or Project(project=name))

    def paused(self, project: str) -> bool:
        """Whether the platform may do nothing by itself."""
        return project in self._paused

    def cameras(self, project: str) -> list[Camera]:
        """Cameras of a project, by id."""
        return sorted((each for each in self._cameras.values() if each.project == project), key=lambda c: c.camera_id)

    def serving_most(
        self, releases: Sequence[ModelReleased], project: str, cameras: Sequence[str]
    ) -> ModelReleased | None:
        """The release whose predictions count on most of some cameras (none: of all); None when nothing serves."""
        counted = [each for each in releases if each.project == project and each.stage in _COUNTS]
        chosen = [self._cameras.get(camera) or Camera(camera_id=camera, project=project) for camera in cameras]

        def share(release: ModelReleased) -> tuple[int, bool, bool]:
            selector = Selector.parse(release.selector)
            served = sum(selector.matches(camera) for camera in chosen)
            # One that takes the champion's cameras over is what really serves there.
            return served, bool(release.takes_over), release.slot == CHAMPION_SLOT

        return max(counted, key=share, default=None)
