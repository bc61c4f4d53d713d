"""Projects, the catalog of frames, tasks, labels and datasets."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import grpc

from cvops.calls import Calls
from cvops.connection import Connection
from cvops.errors import from_grpc
from cvops_protos.v1 import labeling_pb2 as pb
from cvops_protos.v1.labeling_pb2_grpc import LabelingStub
from cvops_protos.v1.project_pb2 import Project

_SELECT_S, _RELEASE_S, _IMPORT_S, _EXPORT_S = 120.0, 300.0, 300.0, 3600.0
# Images go in calls of this size, so that a broken connection costs little and a call ends in time.
_IMAGES, _BYTES = 64, 32 * 2**20


class LabelledFile(Protocol):
    """An image to import; any class with these attributes will do."""

    @property
    def file_name(self) -> str:
        """For people and messages."""

    @property
    def image(self) -> bytes:
        """JPEG, PNG or WebP."""

    @property
    def annotations(self) -> Sequence[pb.Annotation]:
        """What is there; none: nothing is."""

    @property
    def split(self) -> str:
        """One of "train", "val" and "test"; empty: the platform chooses."""

    @property
    def camera_id(self) -> str:
        """That took it; empty: "import"."""

    @property
    def captured_at(self) -> datetime | None:
        """Aware; None: when it is taken in."""


@dataclass(frozen=True, slots=True)
class ImportImage:
    """An image to import; see `LabelledFile` for what the fields mean."""

    file_name: str
    image: bytes
    annotations: Sequence[pb.Annotation] = field(default_factory=tuple)
    split: str = ""
    camera_id: str = ""
    captured_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of images: taken in with so many annotations, and known before."""

    images: int = 0
    known: int = 0
    annotations: int = 0


class Labeling:
    """What people do with frames."""

    def __init__(self, connection: Connection) -> None:
        self._address = connection.labeling
        self._call = Calls(connection, "labeling", LabelingStub)

    def close(self) -> None:
        """Closes the connection."""
        self._call.close()

    # -- projects ----------------------------------------------------------------------------------------------

    def apply(self, project: Project, *, dry_run: bool = False) -> pb.ApplyProjectResponse:
        """Makes a project what `project` declares; tells what changes. With `dry_run` nothing is changed.

        Raises:
            Refused: a field cannot be used.
        """
        request = pb.ApplyProjectRequest(project=project, dry_run=dry_run)
        answer: pb.ApplyProjectResponse = self._call("ApplyProject", request)
        return answer

    def projects(self) -> list[Project]:
        """Every project that was applied, by name."""
        return list(self._call("ListProjects", pb.ListProjectsRequest()).projects)

    # -- frames ------------------------------------------------------------------------------------------------

    def search(
        self,
        project: str = "",
        *,
        cameras: Sequence[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        tags: Sequence[str] = (),
        class_name: str = "",
        least_score: float | None = None,
        status: str = "",
    ) -> Iterator[pb.CatalogFrame]:
        """Frames that fit all that is given, newest first, fetched as they are asked for.

        Args:
            project: empty: "default".
            cameras: of one of these; none: any.
            since: captured from then on; aware.
            until: captured before; aware.
            tags: with all of these.
            class_name: a model found this class in it,
            least_score: with at least this score, 0..1.
            status: "seen", "kept", "picked", "labelled" or "skipped".
        """
        request = pb.SearchFramesRequest(
            project=project, cameras=cameras, tags=tags, class_name=class_name, least_score=least_score, status=status
        )
        _set_times(request, since, until)
        while True:
            page = self._call("SearchFrames", request)
            yield from page.frames
            if not page.next_page:
                return
            request.page = page.next_page

    def tag(self, frame_ids: Sequence[str], *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> int:
        """Adds and removes tags; how many frames changed."""
        request = pb.TagFramesRequest(frame_ids=frame_ids, add=add, remove=remove)
        return int(self._call("TagFrames", request).changed)

    def select(
        self,
        project: str = "",
        *,
        cameras: Sequence[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        frames: int = 0,
    ) -> pb.Selection:
        """Chooses frames that are worth a label and makes tasks of them, as an episode would.

        Args:
            project: whose policy decides; empty: "default".
            cameras: of these; none: of all.
            since: captured from then on; aware.
            until: captured before; aware.
            frames: at most so many; 0: as the project says.

        Raises:
            Refused: there is no frame to choose from.
        """
        request = pb.SelectFramesRequest(project=project, cameras=cameras, budget_frames=frames)
        _set_times(request, since, until)
        selection: pb.Selection = self._call("SelectFrames", request, _SELECT_S)
        return selection

    def asset(self, sha256: str = "", *, frame_id: str = "") -> bytes:
        """The image of a task, by its sha256, or of a frame, as it was stored.

        Raises:
            Refused: it is not there, or not any more.
        """
        return bytes(self._call("GetAsset", pb.GetAssetRequest(sha256=sha256, frame_id=frame_id)).image)

    # -- tasks and labels --------------------------------------------------------------------------------------

    def lease(self, project: str, count: int, author: str, episode_id: str = "") -> list[pb.Task]:
        """Up to `count` tasks that nobody else gets for a while; none: there is nothing to do."""
        request = pb.LeaseTasksRequest(project=project, count=count, author=author, episode_id=episode_id)
        return list(self._call("LeaseTasks", request).tasks)

    def tasks(self, project: str = "", state: str = "", episode_id: str = "", limit: int = 0) -> pb.ListTasksResponse:
        """Tasks, newest first, and how many there are of each state."""
        request = pb.ListTasksRequest(project=project, state=state, episode_id=episode_id, limit=limit)
        answer: pb.ListTasksResponse = self._call("ListTasks", request)
        return answer

    def submit(
        self,
        task: pb.Task,
        annotations: Sequence[pb.Annotation],
        author: pb.Author,
        revision: int,
        seconds_spent: float = 0.0,
        skip: bool = False,
    ) -> pb.Label:
        """Writes the label of a task; the same again is the same label.

        Args:
            task: as it was leased or listed.
            annotations: what is there; none: nothing is.
            author: who says it.
            revision: that the author saw: `task.revision`, or that of the label which is changed.
            seconds_spent: on it.
            skip: it cannot be told.

        Raises:
            Refused: an annotation cannot be used, or (`reason` "conflict") somebody else wrote meanwhile.
        """
        request = pb.SubmitLabelRequest(
            task_id=task.task_id,
            author=author,
            revision=revision,
            annotations=annotations,
            seconds_spent=seconds_spent,
            skip=skip,
        )
        label: pb.Label = self._call("SubmitLabel", request)
        return label

    def import_images(
        self,
        project: str,
        images: Iterable[LabelledFile],
        *,
        author: pb.Author | None = None,
        on_progress: Callable[[Imported], None] = lambda _: None,
    ) -> Imported:
        """Takes images with their labels in; the same image twice is one, so that it can be begun anew.

        Args:
            project: that takes them in; empty: "default".
            images: read as they are sent.
            author: of the labels; None: "import".
            on_progress: called after each call with what was done so far.

        Raises:
            Refused: names the file that cannot be used; those before it are in.
        """
        author = author or pb.Author(kind="human", name="import")
        done = Imported()
        for part in _parts(images):
            requests = [_request(project, each, author) for each in part]
            answer = self._call("ImportImages", iter(requests), _IMPORT_S)
            done = Imported(
                done.images + answer.images, done.known + answer.known, done.annotations + answer.annotations
            )
            on_progress(done)
        return done

    def export(self, project: str = "", episode_id: str = "") -> Iterator[pb.Label]:
        """The newest label of every image, by frame id; skipped ones too."""
        request = pb.ExportLabelsRequest(project=project, episode_id=episode_id)
        try:
            yield from self._call("ExportLabels", request, _EXPORT_S)
        except grpc.RpcError as error:
            raise from_grpc(error, self._address) from None

    # -- datasets ----------------------------------------------------------------------------------------------

    def release(self, project: str = "", name: str = "", reason: str = "") -> pb.DatasetReleased:
        """Releases all labels of a project as a version; the newest one when nothing changed since.

        Raises:
            Refused: there is no label yet.
        """
        request = pb.ReleaseDatasetRequest(project=project, name=name, reason=reason)
        released: pb.DatasetReleased = self._call("ReleaseDataset", request, _RELEASE_S)
        return released

    def datasets(self, project: str = "") -> list[pb.DatasetReleased]:
        """Versions, newest first; of all projects when none is named."""
        return list(self._call("ListDatasets", pb.ListDatasetsRequest(project=project)).datasets)


def _set_times(
    request: pb.SearchFramesRequest | pb.SelectFramesRequest, since: datetime | None, until: datetime | None
) -> None:
    if since is not None:
        request.since.FromDatetime(since)
    if until is not None:
        request.until.FromDatetime(until)


def _parts(images: Iterable[LabelledFile]) -> Iterator[list[LabelledFile]]:
    part: list[LabelledFile] = []
    size = 0
    for each in images:
        if part and (len(part) >= _IMAGES or size + len(each.image) > _BYTES):
            yield part
            part, size = [], 0
        part.append(each)
        size += len(each.image)
    if part:
        yield part


def _request(project: str, image: LabelledFile, author: pb.Author) -> pb.ImportImageRequest:
    request = pb.ImportImageRequest(
        project=project,
        file_name=image.file_name,
        image=image.image,
        annotations=image.annotations,
        author=author,
        split=image.split,
        camera_id=image.camera_id,
    )
    if image.captured_at is not None:
        request.captured_at.FromDatetime(image.captured_at)
    return request
