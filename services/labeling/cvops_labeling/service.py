"""Labeling: what the service can do, in one place. Knows no Kafka and no gRPC."""

from collections.abc import Sequence
from datetime import datetime

from cvops_common.errors import BadArgument, Unavailable
from cvops_common.mongo import this_millisecond
from cvops_labeling.assets import Assets
from cvops_labeling.catalog import Catalog
from cvops_labeling.dataset_book import DatasetBook
from cvops_labeling.documents import identity
from cvops_labeling.imports import Imports
from cvops_labeling.label_book import LabelBook
from cvops_labeling.project_book import ProjectBook
from cvops_labeling.search import Search
from cvops_labeling.selections import Selections, Wish
from cvops_labeling.task_book import TaskBook
from cvops_protos.v1.labeling_pb2 import Selection

_MOST_TAGGED = 10_000
_MOST_TAGS = 50


class Labeling:
    """Projects, the catalog, tasks, labels and datasets.

    Attributes:
        projects, catalog, search, assets, tasks, labels, selections, imports, datasets: its parts.
    """

    def __init__(
        self,
        projects: ProjectBook,
        catalog: Catalog,
        search: Search,
        assets: Assets,
        tasks: TaskBook,
        labels: LabelBook,
        selections: Selections,
        imports: Imports,
        datasets: DatasetBook,
    ) -> None:
        self.projects = projects
        self.catalog = catalog
        self.search = search
        self.assets = assets
        self.tasks = tasks
        self.labels = labels
        self.selections = selections
        self.imports = imports
        self.datasets = datasets

    async def image(self, sha256: str, frame_id: str) -> tuple[str, bytes]:
        """sha256 and bytes of an asset, or of a frame's image.

        Raises:
            BadArgument: neither or both are named. NotFound: it is not there, or not any more.
        """
        if bool(sha256) == bool(frame_id):
            raise BadArgument("an image is named by its sha256 or by its frame, by one of the two")
        if frame_id:
            return await self.assets.of_frame(await self.catalog.get(frame_id))
        if len(sha256) != 64 or not all(each in "0123456789abcdef" for each in sha256):
            raise BadArgument(f"sha256 {sha256[:80]!r} is none: expected 64 hexadecimal digits, in lower case")
        return sha256, await self.assets.get(sha256)

    async def select(
        self, project: str, cameras: Sequence[str], since: datetime | None, until: datetime | None, frames: int
    ) -> Selection:
        """Chooses frames by hand, as an episode would; raises as `Selections.make` does."""
        at = this_millisecond()
        name = (await self.projects.get(project)).project
        wish = Wish(
            selection_id=identity("by hand", name, *sorted(cameras), since, until, frames, at),
            project=name,
            cameras=tuple(cameras),
            since=since,
            until=until or at,
            budget_frames=frames,
        )
        try:
            return await self.selections.make(wish)
        except Unavailable:
            return await self.selections.make(wish)

    async def tag(self, frame_ids: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> int:
        """Adds and removes tags; how many frames changed.

        Raises:
            BadArgument: too many frames, or a tag that cannot be used.
        """
        if len(frame_ids) > _MOST_TAGGED:
            raise BadArgument(f"{len(frame_ids)} frames are too many for one call: expected at most {_MOST_TAGGED}")
        for tag in [*add, *remove]:
            if not tag.strip() or len(tag) > 64 or not tag.isprintable():
                raise BadArgument(f"tag {tag[:80]!r} cannot be used: expected 1 to 64 printable characters")
        if len(add) > _MOST_TAGS or set(add) & set(remove):
            raise BadArgument(f"expected at most {_MOST_TAGS} tags to add, and none of them to be removed as well")
        return await self.catalog.tag(frame_ids, add, remove)
