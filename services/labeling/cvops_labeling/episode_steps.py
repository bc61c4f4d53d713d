"""What labeling does for an episode: choose once, wait for labels, release once. All from what is stored."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cvops_common.errors import CvopsError, NotFound
from cvops_common.mongo import Document, MongoStore, mongo_errors, this_millisecond
from cvops_common.records import Record
from cvops_common.telemetry import logger
from cvops_labeling.dataset_book import DatasetBook
from cvops_labeling.documents import identity
from cvops_labeling.selections import Selections, Wish
from cvops_labeling.settings import LabelingSettings
from cvops_labeling.task_book import Standing, TaskBook
from cvops_protos.v1.alerting_pb2 import Episode

log = logger(__name__)

_SELECTING, _LABELLING, _RELEASED, _ENDED = "selecting", "labelling", "released", "ended"
_ENDS = (Episode.STATE_RECOVERED, Episode.STATE_GAVE_UP)


class EpisodeSteps:
    """Episodes as labeling knows them."""

    def __init__(
        self,
        mongo: MongoStore,
        selections: Selections,
        tasks: TaskBook,
        datasets: DatasetBook,
        settings: LabelingSettings,
    ) -> None:
        self._episodes = mongo.db["episodes"]
        self._selections = selections
        self._tasks = tasks
        self._datasets = datasets
        self._settings = settings

    async def observe(self, records: Sequence[Record[Episode]]) -> None:
        """Remembers which episodes want frames and which are over."""
        for record in records:
            episode = record.message
            if episode is None:
                continue
            if episode.state == Episode.STATE_SELECTING:
                await self._begin(episode)
            elif episode.state in _ENDS:
                await self._end(episode.episode_id)
            elif episode.state >= Episode.STATE_TRAINING:
                await self._set(episode.episode_id, {"enough": True})

    async def step(self) -> None:
        """Moves every episode on that can move."""
        with mongo_errors():
            active: list[Any] = await self._episodes.find({"state": {"$in": [_SELECTING, _LABELLING]}}).to_list()
        for episode in active:
            try:
                if episode["state"] == _SELECTING:
                    await self._select(episode)
                else:
                    await self._release(episode)
            except CvopsError as error:
                log.warning("episode waits", episode=episode["_id"], state=episode["state"], error=str(error))

    async def _begin(self, episode: Episode) -> None:
        cameras = list(episode.cameras)
        document: Document = {
            "project": episode.project or "default",
            "cameras": cameras,
            "since": episode.since.ToDatetime(UTC),
            "detected_at": episode.detected_at.ToDatetime(UTC),
            "state": _SELECTING,
            "begun_at": this_millisecond(),
        }
        with mongo_errors():
            await self._episodes.update_one({"_id": episode.episode_id}, {"$setOnInsert": document}, upsert=True)
            # Until the frames are chosen a camera may turn out to be broken.
            undecided = {"_id": episode.episode_id, "state": _SELECTING}
            await self._episodes.update_one(undecided, {"$set": {"cameras": cameras}})

    async def _end(self, episode_id: str) -> None:
        """Nobody is asked any more, and nothing is chosen."""
        await self._set(episode_id, {"state": _ENDED})
        await self._tasks.withdraw(episode_id=episode_id, purpose="train")

    async def _select(self, episode: Document) -> None:
        waited = this_millisecond() - episode["begun_at"]
        patient = waited < timedelta(seconds=self._settings.select_wait_s)
        wish = Wish(
            selection_id=identity("selection", episode["_id"], 1),
            project=episode["project"],
            cameras=tuple(episode["cameras"]),
            # The moment of a change is an estimate: frames after its detection are of the changed world for sure.
            since=episode["detected_at"] if patient else episode["since"],
            episode_id=episode["_id"],
            least_train=self._settings.least_candidates // 4 if patient else 1,
        )
        if patient:
            frames = await self._selections.candidates(wish)
            times = [each["captured_ns"] for each in frames]
            few = len(times) < self._settings.least_candidates
            if few or (max(times) - min(times)) / 1e9 < self._settings.least_span_s:
                return
        try:
            selection = await self._selections.make(wish)
        except NotFound as error:
            log.info("an episode waits for frames", episode=episode["_id"], error=str(error))
            return
        await self._set(episode["_id"], {"state": _LABELLING, "selection_id": selection.selection_id})

    async def _release(self, episode: Document) -> None:
        standing = await self._tasks.standing(episode["selection_id"])
        if not (episode.get("enough") or self._is_done(standing, this_millisecond())):
            return
        if not standing.done:
            if not standing.pending:
                log.warning(
                    "every task of an episode was skipped: there is nothing to train on", episode=episode["_id"]
                )
                await self._set(episode["_id"], {"state": _ENDED})
            return
        await self._datasets.release(
            episode["project"], episode_id=episode["_id"], why=f"{standing.done} labels of episode {episode['_id'][:8]}"
        )
        await self._set(episode["_id"], {"state": _RELEASED})
        await self._tasks.withdraw(selection_id=episode["selection_id"])

    def _is_done(self, standing: Standing, at: datetime) -> bool:
        if not standing.pending:
            return True
        most = standing.total - standing.pending >= self._settings.done_share * standing.total
        silent = standing.last_at is not None and at - standing.last_at > timedelta(seconds=self._settings.silence_s)
        return most and silent

    async def _set(self, episode_id: str, change: Document) -> None:
        """Changes an episode that is known; one that has ended stays so."""
        with mongo_errors():
            await self._episodes.update_one({"_id": episode_id, "state": {"$ne": _ENDED}}, {"$set": change})
