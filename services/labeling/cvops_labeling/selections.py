"""Selections: frames are chosen, their images made permanent, tasks written and all told, in this order."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from cvops_common.errors import Conflict, NotFound
from cvops_common.mongo import Document, MongoStore, mongo_errors, this_millisecond
from cvops_common.outbox import Outbox
from cvops_common.telemetry import logger
from cvops_labeling.assets import Assets
from cvops_labeling.catalog import Catalog, candidates_query
from cvops_labeling.documents import identity, stamp
from cvops_labeling.exemplars import Exemplars
from cvops_labeling.metrics import PICKS
from cvops_labeling.observation import KEPT, PICKED, SEEN
from cvops_labeling.pool import Candidate
from cvops_labeling.project_book import ProjectBook
from cvops_labeling.selection import GAP_S, Budget, Choice, Picked, choose
from cvops_labeling.sketch import read_sketch
from cvops_labeling.task_book import TRAIN, TaskBook, task_document
from cvops_protos.v1.labeling_pb2 import Selection

log = logger(__name__)

_MOST_CANDIDATES = 20_000
_MOST_PICKS = 2_000
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be chosen.

    Attributes:
        selection_id: of the selection; one that exists is not made again.
        project: whose policy decides.
        cameras: of these; none: of all.
        since: captured from then on; None: as far back as the catalog goes.
        until: captured before; None: until now.
        episode_id: for which; empty: asked for by hand.
        budget_frames: at most so many; 0: as the project says.
        least_train: fewer frames to train on are not worth a selection yet.
    """

    selection_id: str
    project: str
    cameras: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    episode_id: str = ""
    budget_frames: int = 0
    least_train: int = 0


class Selections:
    """Makes them, each once."""

    def __init__(
        self,
        mongo: MongoStore,
        outbox: Outbox,
        catalog: Catalog,
        assets: Assets,
        tasks: TaskBook,
        projects: ProjectBook,
        exemplars: Exemplars,
    ) -> None:
        self._selections = mongo.db["selections"]
        self._frames = mongo.db["frames"]
        self._outbox = outbox
        self._catalog = catalog
        self._assets = assets
        self._tasks = tasks
        self._projects = projects
        self._exemplars = exemplars

    async def candidates(self, wish: Wish) -> list[Document]:
        """Frames that could be chosen, the newest 20,000."""
        query = candidates_query(wish.project, wish.cameras, wish.since, wish.until)
        return await self._catalog.newest(query, _MOST_CANDIDATES)

    async def make(self, wish: Wish) -> Selection:
        """Chooses frames to train on by the project's policy.

        Raises:
            NotFound: there is no frame to choose from, or there are too few.
            Conflict: others chose the same frames, again and again. Unavailable: an engine is away.
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._make(wish)
            except Conflict:
                continue
        return await self._make(wish)

    async def _make(self, wish: Wish) -> Selection:
        if (made := await self._made(wish.selection_id)) is not None:
            return made
        frames = await self.candidates(wish)
        if not frames:
            cameras = ", ".join(wish.cameras) or "any camera"
            raise NotFound(f"there is no frame of {cameras} in that time that has no label yet and is still stored")
        choice = await self._choose(wish, frames)
        for_training = sum(pick.split == "train" for pick in choice.picks)
        if not choice.picks or for_training < wish.least_train:
            raise NotFound(
                f"{for_training} of {len(frames)} frames could be trained on, expected {max(wish.least_train, 1)}: the "
                "others stand within 10 s of frames of another side; wait for more frames"
            )
        return await self.write(wish, choice, frames, TRAIN)

    async def write(
        self, wish: Wish, choice: Choice, frames: Sequence[Document], purpose: str, *, rollout_id: str = ""
    ) -> Selection:
        """Makes the picks permanent and writes the selection with its tasks, once.

        Raises:
            NotFound: the images of all picks have expired. Conflict: a frame got a task meanwhile.
            Unavailable: an engine is away.
        """
        by_id = {each["_id"]: each for each in frames}
        kept = await self._assets.keep([by_id[pick.frame_id] for pick in choice.picks])
        picks = [pick for pick in choice.picks if pick.frame_id in kept]
        if not picks:
            raise NotFound("the images of all chosen frames have expired: keep segments longer, or choose newer frames")
        selection = Selection(
            selection_id=wish.selection_id,
            project=wish.project,
            episode_id=wish.episode_id,
            candidates=choice.candidates,
            duplicates=choice.duplicates,
            boxes=sum(by_id[pick.frame_id]["boxes"] for pick in picks),
            purpose=purpose,
        )
        selection.at.FromDatetime(this_millisecond())
        tasks = []
        for rank, pick in enumerate(picks):
            frame, sha256 = by_id[pick.frame_id], kept[pick.frame_id]
            selection.picks.add(
                frame_id=pick.frame_id,
                camera_id=frame["camera_id"],
                asset_sha256=sha256,
                captured_at=stamp(frame["captured_ns"]),
                reason=pick.reason,
                strength=pick.strength,
            )
            tasks.append(
                task_document(
                    frame,
                    selection_id=wish.selection_id,
                    episode_id=wish.episode_id,
                    purpose=purpose,
                    why=pick.reason,
                    split=pick.split,
                    sha256=sha256,
                    rank=rank,
                )
                | ({"rollout_id": rollout_id} if rollout_id else {})
            )
        return await self._write_once(selection, tasks)

    async def _write_once(self, selection: Selection, tasks: Sequence[Document]) -> Selection:
        try:
            await self._outbox.write(partial(self._insert, selection, tasks))
        except DuplicateKeyError:
            if (made := await self._made(selection.selection_id)) is None:
                raise
            return made
        for pick in selection.picks:
            PICKS.labels(selection.purpose, pick.reason).inc()
        log.info(
            "frames selected",
            selection=selection.selection_id,
            purpose=selection.purpose,
            episode=selection.episode_id,
            frames=len(selection.picks),
            candidates=selection.candidates,
        )
        return selection

    async def _insert(self, selection: Selection, tasks: Sequence[Document], session: AsyncClientSession) -> None:
        sha256 = {task["frame_id"]: task["asset_sha256"] for task in tasks}
        document = {"_id": selection.selection_id, "body": selection.SerializeToString()}
        await self._selections.insert_one(document, session=session)
        await self._tasks.add(tasks, session)
        writes = [
            UpdateOne(
                {"_id": frame_id, "status": {"$in": [SEEN, KEPT]}},
                {"$set": {"status": PICKED, "asset_sha256": digest}, "$unset": {"expires_at": ""}},
            )
            for frame_id, digest in sha256.items()
        ]
        await self._frames.bulk_write(writes, ordered=False, session=session)
        await self._outbox.add(
            selection, key=selection.selection_id, session=session, correlation_id=selection.episode_id
        )

    async def _choose(self, wish: Wish, frames: Sequence[Document]) -> Choice:
        policy = (await self._projects.get(wish.project)).edge_cases
        exemplars = await self._exemplars.of(wish.cameras)
        times = [each["captured_ns"] for each in frames]
        margin_ns = int(GAP_S * 1e9)
        cameras = sorted({each["camera_id"] for each in frames})
        taken = await self._tasks.sides(cameras, min(times) - margin_ns, max(times) + margin_ns)
        budget = Budget(
            frames=min(wish.budget_frames or policy.budget_frames, _MOST_PICKS),
            boxes=policy.budget_boxes,
            random_share=policy.random_share,
            duplicate_bits=policy.duplicate_bits,
        )

        def work() -> Choice:
            return choose(
                [_candidate(each) for each in frames],
                budget,
                seed=seed_of(wish.selection_id),
                exemplars=exemplars,
                taken=taken,
            )

        return await asyncio.to_thread(work)

    async def _made(self, selection_id: str) -> Selection | None:
        with mongo_errors():
            document: Any = await self._selections.find_one({"_id": selection_id})
        return None if document is None else Selection.FromString(document["body"])


def at_random(frames: Sequence[Document], count: int, seed: int) -> Choice:
    """Unbiased picks for an audit; they are never trained on."""
    ordered = sorted(frames, key=lambda each: str(each["_id"]))
    rng = np.random.Generator(np.random.PCG64(seed))
    drawn = [ordered[i] for i in sorted(rng.choice(len(ordered), min(count, len(ordered)), replace=False))]
    picks = tuple(Picked(each["_id"], "random", 1.0, "test") for each in drawn)
    return Choice(picks, len(ordered), 0, sum(each["boxes"] for each in drawn))


def seed_of(selection_id: str) -> int:
    """The seed that follows from a selection's id."""
    return int(identity("seed", selection_id)[:15], 16)


def _candidate(frame: Document) -> Candidate:
    return Candidate(
        frame_id=frame["_id"],
        camera_id=frame["camera_id"],
        at_s=frame["captured_ns"] / 1e9,
        boxes=frame["boxes"],
        uncertainty=frame["uncertainty"],
        dhash=frame["dhash"],
        outlier=frame.get("outlier"),
        sketch=read_sketch(frame.get("sketch", b"")),
        model=frame["model"]["bundle_sha256"],
    )
