"""Audits: while a candidate is tried, random frames of its cameras are labelled. They are the live truth.

Audit labels are never trained on. When a rollout is confirmed, what its episode held out becomes a regression slice.
"""

from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any

import numpy as np

from cvops_common.errors import Conflict, CvopsError, NotFound
from cvops_common.mongo import Document, MongoStore, mongo_errors, this_millisecond
from cvops_common.records import Record
from cvops_common.telemetry import logger
from cvops_labeling.catalog import Catalog, candidates_query
from cvops_labeling.documents import identity
from cvops_labeling.label_book import LabelBook
from cvops_labeling.selection import GAP_S, Choice, Picked
from cvops_labeling.selections import Selections, Wish, at_random, seed_of
from cvops_labeling.settings import LabelingSettings
from cvops_labeling.sides import TEST, Stretch, sides
from cvops_labeling.task_book import AUDIT, TaskBook
from cvops_protos.v1.training_pb2 import Rollout

log = logger(__name__)

_STAGES = {Rollout.STATE_SHADOW: "shadow", Rollout.STATE_CANARY: "canary", Rollout.STATE_PROMOTED: "promoted"}
_ENDS = (Rollout.STATE_CONFIRMED, Rollout.STATE_ROLLED_BACK)
# Newest frames of a camera among which is drawn.
_RECENT = 30
# Audits wait for their labels rather than pile up.
_MOST_PENDING = 40


class Audits:
    """Rollouts as labeling knows them."""

    def __init__(
        self,
        mongo: MongoStore,
        catalog: Catalog,
        selections: Selections,
        tasks: TaskBook,
        labels: LabelBook,
        settings: LabelingSettings,
    ) -> None:
        self._rollouts = mongo.db["rollouts"]
        self._catalog = catalog
        self._selections = selections
        self._tasks = tasks
        self._labels = labels
        self._settings = settings

    async def observe(self, records: Sequence[Record[Rollout]]) -> None:
        """Follows rollouts; of one rollout the newest revision holds."""
        for record in records:
            rollout = record.message
            if rollout is None or not await self._follow(rollout):
                continue
            if rollout.state in _ENDS:
                await self._tasks.withdraw(rollout_id=rollout.rollout_id)
            if rollout.state == Rollout.STATE_CONFIRMED and rollout.episode_id:
                count = await self._labels.make_slice(rollout.episode_id)
                log.info("regression slice", episode=rollout.episode_id, images=count)

    async def step(self) -> None:
        """Makes the audit tasks that are due."""
        while (due := await self._next_due()) is not None:
            try:
                await self._audit(due)
            except (NotFound, Conflict) as error:
                log.info("no audit this time", rollout=due["_id"], error=str(error))
            except CvopsError as error:
                log.warning("audit waits", rollout=due["_id"], error=str(error))
                return

    async def _free(self, camera_id: str, frames: list[Document]) -> list[Document]:
        """Those that do not stand beside a frame of another side."""
        if not frames:
            return []
        times_ns, margin_ns = [each["captured_ns"] for each in frames], int(GAP_S * 1e9)
        taken = await self._tasks.sides([camera_id], min(times_ns) - margin_ns, max(times_ns) + margin_ns)
        at_s = np.array(times_ns) / 1e9
        whole = [Stretch(camera_id, float(at_s.min()), float(at_s.max()), TEST)]
        split = sides([camera_id] * len(frames), at_s, whole, taken, GAP_S)
        return [frame for frame, side in zip(frames, split, strict=True) if side == TEST]

    async def _follow(self, rollout: Rollout) -> bool:
        """Whether this is news, or the same again."""
        stage = _STAGES.get(rollout.state, "")
        document: Document = {
            "project": rollout.project or "default",
            "episode_id": rollout.episode_id,
            "cameras": list(rollout.cameras),
            "stage": stage,
            "since": rollout.stage_since.ToDatetime(UTC) if rollout.HasField("stage_since") else this_millisecond(),
            "revision": rollout.revision,
        }
        with mongo_errors():
            held: Any = await self._rollouts.find_one({"_id": rollout.rollout_id})
            if held is not None and held["revision"] > rollout.revision:
                return False
            await self._rollouts.update_one(
                {"_id": rollout.rollout_id},
                {"$set": document, "$setOnInsert": {"next_at": this_millisecond(), "round": 0}},
                upsert=True,
            )
        return True

    async def _next_due(self) -> Document | None:
        """A rollout whose audit is due; no other replica gets this turn of it."""
        at = this_millisecond()
        turn = {"$set": {"next_at": at + timedelta(seconds=self._settings.audit_every_s)}, "$inc": {"round": 1}}
        with mongo_errors():
            return await self._rollouts.find_one_and_update(
                {"stage": {"$in": list(_STAGES.values())}, "next_at": {"$lte": at}}, turn, return_document=True
            )

    async def _audit(self, rollout: Document) -> None:
        stage, rollout_id = rollout["stage"], rollout["_id"]
        given = rollout.get("given", {}).get(stage, 0)
        room = min(self._settings.audit_most - given, _MOST_PENDING - await self._tasks.pending(rollout_id=rollout_id))
        if room <= 0 or not rollout["cameras"]:
            return
        wish = Wish(
            selection_id=identity("audit", rollout_id, stage, rollout["round"]),
            project=rollout["project"],
            episode_id=rollout["episode_id"],
        )
        frames: list[Document] = []
        picks: list[Picked] = []
        for camera_id in rollout["cameras"]:
            query = candidates_query(rollout["project"], [camera_id], rollout["since"], None)
            recent = await self._free(camera_id, await self._catalog.newest(query, _RECENT))
            seed = seed_of(f"{wish.selection_id}/{camera_id}")
            frames += recent
            picks += at_random(recent, self._settings.audit_frames, seed).picks if recent else ()
        choice = Choice(tuple(picks[:room]), len(frames), 0, 0)
        if not choice.picks:
            return
        selection = await self._selections.write(wish, choice, frames, AUDIT, rollout_id=rollout_id)
        with mongo_errors():
            await self._rollouts.update_one({"_id": rollout_id}, {"$inc": {f"given.{stage}": len(selection.picks)}})
