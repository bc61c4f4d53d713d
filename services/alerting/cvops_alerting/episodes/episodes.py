"""The loop: opens episodes for incidents, follows their events, ends them."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, Self

from cvops_alerting.episodes import policy, progress
from cvops_alerting.episodes.store import EpisodeStore
from cvops_common.errors import CvopsError
from cvops_common.records import Record
from cvops_common.rounds import Rounds
from cvops_common.telemetry import logger
from cvops_protos.v1.alerting_pb2 import Episode, Incident, LoopStatus
from cvops_protos.v1.labeling_pb2 import DatasetReleased, Label, Selection
from cvops_protos.v1.project_pb2 import Project
from cvops_protos.v1.training_pb2 import Rollout, TrainingRun

log = logger(__name__)

_LOOK_EVERY_S = 1.0
_RECENT = 100


class IncidentBook(Protocol):
    """What the loop needs of incidents."""

    async def open_in(self, project: str = "") -> list[Incident]:
        """Incidents that are pending, firing or acknowledged."""

    async def set_episode(self, incident_id: str, episode_id: str) -> None:
        """Something is done about it."""

    async def resolve(self, incident_id: str, by: str, note: str) -> Incident:
        """It is over."""


class Episodes:
    """Turns firing incidents into episodes and lets events move them on."""

    def __init__(
        self,
        store: EpisodeStore,
        incidents: IncidentBook,
        project_of: Callable[[str], Project],
    ) -> None:
        """Nothing is opened yet.

        Args:
            store: of episodes.
            incidents: of this service.
            project_of: a project by name, with defaults filled in.
        """
        self._store = store
        self._incidents = incidents
        self._project_of = project_of
        self._rounds = Rounds(self._look_now, every_s=_LOOK_EVERY_S, what="the loop")
        self._held: set[str] = set()

    async def __aenter__(self) -> Self:
        await self._rounds.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._rounds.__aexit__(None, None, None)

    # -- events ------------------------------------------------------------------------------------------------

    async def observe(self, records: Sequence[Record[Any]]) -> None:
        """Takes in what happened to episodes; messages of other kinds are left alone."""
        for record in records:
            handler = _HANDLERS.get(type(record.message))
            if handler is not None:
                await handler(self, record.message)

    async def _on_selection(self, selection: Selection) -> None:
        await self._store.change(selection.episode_id, lambda episode: progress.on_selection(episode, selection))

    async def _on_label(self, label: Label) -> None:
        identity = f"{label.frame_id}:{label.revision}"
        await self._store.change(label.episode_id, lambda episode: progress.on_label(episode, label), label=identity)

    async def _on_dataset(self, dataset: DatasetReleased) -> None:
        await self._store.change(dataset.episode_id, lambda episode: progress.on_dataset(episode, dataset))

    async def _on_run(self, run: TrainingRun) -> None:
        now = datetime.now(UTC)
        await self._ended(await self._store.change(run.episode_id, lambda episode: progress.on_run(episode, run, now)))

    async def _on_rollout(self, rollout: Rollout) -> None:
        now = datetime.now(UTC)
        await self._ended(
            await self._store.change(rollout.episode_id, lambda episode: progress.on_rollout(episode, rollout, now))
        )

    # -- time --------------------------------------------------------------------------------------------------

    async def _look_now(self) -> None:
        await self.look(datetime.now(UTC))

    async def look(self, now: datetime) -> None:
        """Opens what may be opened, and moves on what has waited long enough."""
        incidents = await self._incidents.open_in()
        active = await self._store.active()
        for episode in active:
            await self._age(episode, incidents, now)
        for incident in sorted(
            incidents, key=lambda incident: (-incident.severity, incident.opened_at.ToNanoseconds())
        ):
            await self._consider(incident, incidents, now)
        still_open = {episode.incident_id for episode in active}
        for incident in incidents:
            if incident.episode_id and incident.incident_id not in still_open:
                # The process may have died between the end of the episode and the end of its incident.
                for episode in (await self._store.of_incident(incident.incident_id))[:1]:
                    await self._ended(episode)

    async def _consider(self, incident: Incident, around: Sequence[Incident], now: datetime) -> None:
        project = self._project_of(incident.project)
        if not policy.wants_episode(incident, project.loop):
            return
        if now - incident.opened_at.ToDatetime(UTC) < timedelta(seconds=project.loop.settle_s):
            return  # the fault of a camera, and the other cameras of a change, show a little later
        earlier = await self._store.of_incident(incident.incident_id)
        taken = {camera for episode in earlier for camera in [*episode.cameras, *_names(episode.left_out)]}
        new = set(incident.cameras) - taken
        if not new or any(episode.state not in progress.ENDED for episode in earlier):
            return
        same = [each for each in around if each.project == incident.project]
        well = set(policy.wellness(incident.cameras, same, project.loop.excluded_faults).well) & new
        if not well:
            return
        new -= await self._treated(incident)
        if not well & new:
            return
        if (why := await self._why_not(incident.project, project.loop, now)) is not None:
            self._hold(incident.incident_id, why)
            return
        self._held.discard(incident.incident_id)
        episode = progress.opened(incident, new, len(earlier), now)
        if await self._store.begin(episode):
            await self._incidents.set_episode(incident.incident_id, episode.episode_id)
            log.info("episode opened", episode=episode.episode_id, cameras=list(episode.cameras))

    async def _treated(self, incident: Incident) -> set[str]:
        """Cameras that an episode of any incident has, or had when this one opened: one cause, and one cure."""
        opened_ns = incident.opened_at.ToNanoseconds()
        return {
            camera
            for episode in await self._store.newest(incident.project, _RECENT)
            if episode.state not in progress.ENDED or episode.ended_at.ToNanoseconds() >= opened_ns
            for camera in episode.cameras
        }

    async def _why_not(self, project: str, limits: Project.LoopPolicy, now: datetime) -> str | None:
        if (by := await self._store.paused_by(project)) is not None:
            return f"paused by {by}"
        if (count := len(await self._store.active(project))) >= limits.most_open:
            return f"{count} episodes are open, most_open is {limits.most_open}"
        if (count := await self._store.begun_since(project, now)) >= limits.most_per_day:
            return f"{count} episodes began in 24 hours, most_per_day is {limits.most_per_day}"
        return None

    def _hold(self, incident_id: str, why: str) -> None:
        if incident_id not in self._held:
            self._held.add(incident_id)
            log.warning("no episode is opened", incident=incident_id, why=why)

    async def _age(self, episode: Episode, incidents: Sequence[Incident], now: datetime) -> None:
        limits = self._project_of(episode.project).loop
        opened_at = episode.opened_at.ToDatetime(UTC)
        if now - opened_at > timedelta(seconds=limits.timeout_s):
            text = f"not done after {limits.timeout_s} s, the time limit of the project"
            await self._ended(
                await self._store.change(
                    episode.episode_id,
                    lambda late: progress.end(late, Episode.STATE_GAVE_UP, text, now),
                )
            )
            return
        same = [each for each in incidents if each.project == episode.project]
        if episode.state == Episode.STATE_SELECTING:
            await self._leave_out_the_broken(episode, same, limits, now)
            return
        if episode.state != Episode.STATE_SETTLING:
            return
        if await self._store.paused_by(episode.project) is not None:
            return
        incident = next((each for each in incidents if each.incident_id == episode.incident_id), None)
        await self._settle(episode, incident, same, limits, now)

    async def _leave_out_the_broken(
        self, episode: Episode, around: Sequence[Incident], limits: Project.LoopPolicy, now: datetime
    ) -> None:
        """Cameras whose fault is found while frames are being chosen."""
        found = policy.wellness(episode.cameras, around, limits.excluded_faults)
        if not found.left_out:
            return

        def change(each: Episode) -> bool:
            if each.state != Episode.STATE_SELECTING:
                return False
            progress.selecting(each, found.well, [*each.left_out, *found.told], now)
            return True

        await self._ended(await self._store.change(episode.episode_id, change))

    async def _settle(
        self,
        episode: Episode,
        incident: Incident | None,
        around: Sequence[Incident],
        limits: Project.LoopPolicy,
        now: datetime,
    ) -> None:
        """The cameras that are well go on; those that joined meanwhile are taken along."""
        if incident is None:
            text = "the change went away by itself before anything was done"
            change = lambda each: progress.end(each, Episode.STATE_GAVE_UP, text, now)  # noqa: E731
        else:
            found = policy.wellness(incident.cameras, around, limits.excluded_faults)
            gone = set(episode.cameras) - set(incident.cameras)
            left_out = [*found.told, *(f"{camera}: its own camera incident" for camera in sorted(gone))]

            def change(each: Episode) -> bool:
                for alarm in incident.alarms:
                    text = f"{alarm.camera_id}: {alarm.text}"
                    progress.add_alarm(each, alarm.alarm_id, alarm.opened_at, text)
                progress.selecting(each, found.well, left_out, now)
                return True

        await self._ended(await self._store.change(episode.episode_id, change))

    # -- ends --------------------------------------------------------------------------------------------------

    async def _ended(self, episode: Episode | None) -> None:
        """Resolves the incident of an episode that recovered; one that gave up leaves it to people."""
        if episode is None or episode.state != Episode.STATE_RECOVERED:
            return
        log.info("episode ended", episode=episode.episode_id, text=episode.text)
        with suppress(CvopsError):
            await self._incidents.resolve(
                episode.incident_id, f"episode {episode.episode_id[:8]}", progress.summary(episode)
            )

    # -- people ------------------------------------------------------------------------------------------------

    async def status(self, project: str) -> LoopStatus:
        """The hand brake and the limits of a project."""
        by = await self._store.paused_by(project)
        return LoopStatus(
            project=project,
            paused=by is not None,
            by=by or "",
            open_episodes=len(await self._store.active(project)),
            episodes_today=await self._store.begun_since(project, datetime.now(UTC)),
        )


def _names(left_out: Sequence[str]) -> list[str]:
    return [line.partition(":")[0] for line in left_out]


_HANDLERS: dict[type, Callable[[Episodes, Any], Awaitable[None]]] = {
    Selection: Episodes._on_selection,
    Label: Episodes._on_label,
    DatasetReleased: Episodes._on_dataset,
    TrainingRun: Episodes._on_run,
    Rollout: Episodes._on_rollout,
}
