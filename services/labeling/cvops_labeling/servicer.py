"""gRPC: message -> one call -> message. Errors become status codes in the interceptor."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from cvops_labeling.label_book import Submission
from cvops_labeling.service import Labeling
from cvops_protos.v1 import labeling_pb2 as pb
from cvops_protos.v1.labeling_pb2_grpc import LabelingServicer as Generated


class LabelingServicer(Generated):
    """Projects, the catalog of frames, tasks, labels and datasets."""

    def __init__(self, labeling: Labeling) -> None:
        self._labeling = labeling

    async def ApplyProject(self, request: pb.ApplyProjectRequest, context: Any) -> pb.ApplyProjectResponse:
        """Checks and publishes a project."""
        project, changes = await self._labeling.projects.apply(request.project, dry_run=request.dry_run)
        return pb.ApplyProjectResponse(project=project, changes=changes)

    async def ListProjects(self, request: pb.ListProjectsRequest, context: Any) -> pb.ListProjectsResponse:
        """Every project that was applied."""
        return pb.ListProjectsResponse(projects=await self._labeling.projects.all())

    async def SearchFrames(self, request: pb.SearchFramesRequest, context: Any) -> pb.SearchFramesResponse:
        """One page."""
        return await self._labeling.search.page(request, _time(request, "since"), _time(request, "until"))

    async def TagFrames(self, request: pb.TagFramesRequest, context: Any) -> pb.TagFramesResponse:
        """Adds or removes tags."""
        changed = await self._labeling.tag(list(request.frame_ids), list(request.add), list(request.remove))
        return pb.TagFramesResponse(changed=changed)

    async def SelectFrames(self, request: pb.SelectFramesRequest, context: Any) -> pb.Selection:
        """Chooses frames and makes tasks."""
        return await self._labeling.select(
            request.project,
            list(request.cameras),
            _time(request, "since"),
            _time(request, "until"),
            request.budget_frames,
        )

    async def LeaseTasks(self, request: pb.LeaseTasksRequest, context: Any) -> pb.LeaseTasksResponse:
        """Lends tasks to one author."""
        tasks = await self._labeling.tasks.lease(request.project, request.count, request.author, request.episode_id)
        return pb.LeaseTasksResponse(tasks=tasks)

    async def ListTasks(self, request: pb.ListTasksRequest, context: Any) -> pb.ListTasksResponse:
        """Tasks and their counts."""
        return await self._labeling.tasks.listing(request.project, request.state, request.episode_id, request.limit)

    async def GetAsset(self, request: pb.GetAssetRequest, context: Any) -> pb.Asset:
        """Bytes of an image."""
        sha256, image = await self._labeling.image(request.sha256, request.frame_id)
        return pb.Asset(sha256=sha256, image=image)

    async def SubmitLabel(self, request: pb.SubmitLabelRequest, context: Any) -> pb.Label:
        """Writes a label."""
        return await self._labeling.labels.submit(
            Submission(
                task_id=request.task_id,
                author=request.author,
                revision=request.revision,
                annotations=list(request.annotations),
                seconds_spent=request.seconds_spent,
                skip=request.skip,
            )
        )

    async def ImportImages(self, request_iterator: Any, context: Any) -> pb.ImportImagesResponse:
        """Takes images in."""
        return await self._labeling.imports.take(aiter(request_iterator))

    async def ExportLabels(self, request: pb.ExportLabelsRequest, context: Any) -> AsyncIterator[pb.Label]:
        """Every newest label."""
        async for labelled in self._labeling.labels.every(request.project, request.episode_id):
            yield labelled.label

    async def ReleaseDataset(self, request: pb.ReleaseDatasetRequest, context: Any) -> pb.DatasetReleased:
        """Releases a version by hand."""
        return await self._labeling.datasets.release(request.project, request.name, request.reason)

    async def ListDatasets(self, request: pb.ListDatasetsRequest, context: Any) -> pb.ListDatasetsResponse:
        """Versions, newest first."""
        return pb.ListDatasetsResponse(datasets=await self._labeling.datasets.all(request.project))


def _time(request: Any, name: str) -> datetime | None:
    """A time of a request; None when it is absent."""
    return getattr(request, name).ToDatetime(UTC) if request.HasField(name) else None
