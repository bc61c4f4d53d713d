"""Projects: applied by people, kept with a revision, spread on the compacted topic."""

from pymongo.asynchronous.client_session import AsyncClientSession

from cvops_common.errors import BadArgument
from cvops_common.mongo import Document, MongoStore, mongo_errors, this_millisecond
from cvops_common.outbox import Outbox
from cvops_common.projects import DEFAULT_PROJECT, changes, check, with_defaults
from cvops_common.telemetry import logger
from cvops_protos.v1.project_pb2 import Project

log = logger(__name__)


class ProjectBook:
    """What every team wants of its fleet."""

    def __init__(self, mongo: MongoStore, outbox: Outbox) -> None:
        self._projects = mongo.db["projects"]
        self._labels = mongo.db["labels"]
        self._outbox = outbox

    async def get(self, project: str) -> Project:
        """A project with defaults filled in; one that nobody applied is all defaults."""
        name = project or DEFAULT_PROJECT
        with mongo_errors():
            document = await self._projects.find_one({"_id": name})
        return with_defaults(Project(project=name) if document is None else Project.FromString(document["body"]))

    async def all(self) -> list[Project]:
        """Every project that was applied, by name, as it was applied."""
        with mongo_errors():
            return [Project.FromString(each["body"]) async for each in self._projects.find().sort("_id", 1)]

    async def apply(self, wanted: Project, *, dry_run: bool) -> tuple[Project, list[str]]:
        """Checks a project, keeps and publishes it; gives it with its revision, and what changes.

        What is absent in it is absent from then on, whatever was applied before.

        Raises:
            BadArgument: a field cannot be used, or a class is gone that labels use.
        """
        check(wanted)

        async def write(session: AsyncClientSession) -> tuple[Project, list[str]]:
            new = Project()
            new.CopyFrom(wanted)
            document = await self._projects.find_one({"_id": new.project}, session=session)
            old = None if document is None else Project.FromString(document["body"])
            different = changes(old, new)
            await self._check_classes(new)
            new.revision = 0 if old is None else old.revision
            if old is not None:
                new.updated_at.CopyFrom(old.updated_at)
            if dry_run or not different:
                return new, different
            new.revision += 1
            new.updated_at.FromDatetime(this_millisecond())
            update: Document = {"body": new.SerializeToString(), "revision": new.revision}
            await self._projects.replace_one({"_id": new.project}, update, upsert=True, session=session)
            await self._outbox.add(new, key=new.project, session=session)
            return new, different

        applied, different = await self._outbox.write(write)
        if different and not dry_run:
            log.info("project applied", project=applied.project, revision=applied.revision, changes=different)
        return applied, different

    async def _check_classes(self, new: Project) -> None:
        if not new.classes:
            return
        used = await self._labels.distinct("classes", {"project": new.project})
        if gone := sorted(set(used) - set(new.classes)):
            raise BadArgument(
                f"project {new.project}: classes: labels use {gone[0]!r}, which is not among {', '.join(new.classes)}; "
                "keep it, or change those labels first"
            )
