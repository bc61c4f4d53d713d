"""Which episodes are opened, and which are not: limits, the hand brake, broken cameras, one cause at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cvops_alerting.episodes import progress
from cvops_alerting.episodes.episodes import Episodes
from cvops_common.projects import with_defaults
from cvops_common.records import Record
from cvops_protos.v1.alerting_pb2 import Episode, Incident
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.labeling_pb2 import DatasetReleased, Label, Pick, Selection
from cvops_protos.v1.project_pb2 import Project
from cvops_protos.v1.training_pb2 import Rollout, TrainingRun

NOW = datetime(2026, 3, 1, 14, 3, tzinfo=UTC)


@dataclass
class Store:
    """Episodes in memory."""

    episodes: dict[str, Episode] = field(default_factory=dict)
    paused: dict[str, str] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)

    async def begin(self, episode: Episode) -> bool:
        return self.episodes.setdefault(episode.episode_id, episode) is episode

    async def change(self, episode_id: str, change: Callable[[Episode], bool], *, label: str = "") -> Episode | None:
        episode = self.episodes.get(episode_id)
        if episode is None or episode.state in progress.ENDED or (label and label in self.labels):
            return None
        self.labels.add(label)
        return episode if change(episode) else None

    async def active(self, project: str = "") -> list[Episode]:
        return [each for each in self.episodes.values() if each.state not in progress.ENDED]

    async def newest(self, project: str, limit: int) -> list[Episode]:
        return list(reversed(self.episodes.values()))[:limit]

    async def of_incident(self, incident_id: str) -> list[Episode]:
        return [each for each in reversed(self.episodes.values()) if each.incident_id == incident_id]

    async def begun_since(self, project: str, now: datetime) -> int:
        return sum(each.opened_at.ToDatetime(UTC) > now - timedelta(days=1) for each in self.episodes.values())

    async def paused_by(self, project: str) -> str | None:
        return self.paused.get(project)


@dataclass
class Incidents:
    """Incidents in memory; `away`: they cannot be resolved just now."""

    known: dict[str, Incident] = field(default_factory=dict)
    away: bool = False

    async def open_in(self, project: str = "") -> list[Incident]:
        return [each for each in self.known.values() if each.state != Incident.STATE_RESOLVED]

    async def set_episode(self, incident_id: str, episode_id: str) -> None:
        self.known[incident_id].episode_id = episode_id

    async def resolve(self, incident_id: str, by: str, note: str) -> Incident:
        from cvops_common.errors import Unavailable

        if self.away:
            raise Unavailable("away")
        incident = self.known[incident_id]
        incident.state, incident.by, incident.note = Incident.STATE_RESOLVED, by, note
        return incident


class World:
    """A project, its incidents, and a clock that is told what time it is."""

    def __init__(self, **limits: Any) -> None:
        self.store, self.incidents, self.now = Store(), Incidents(), NOW
        project = with_defaults(Project(project="roads", loop=Project.LoopPolicy(**limits)))
        self.episodes = Episodes(self.store, self.incidents, lambda _: project)

    def incident(self, name: str, *cameras: str, kind: str = "drift", signal: str = "brightness") -> Incident:
        incident = Incident(
            incident_id=name, project="roads", kind=kind, state=Incident.STATE_FIRING, cameras=cameras,
            severity=DriftEvent.SEVERITY_WARNING,
        )  # fmt: skip
        for camera in cameras:
            alarm = incident.alarms.add(alarm_id=f"{name}-{camera}", camera_id=camera, signal=signal, text="changed")
            alarm.opened_at.FromDatetime(self.now)
        incident.opened_at.FromDatetime(self.now)
        incident.since.FromDatetime(self.now)
        self.incidents.known[name] = incident
        return incident

    async def after(self, seconds: float) -> list[Episode]:
        """Looks again after so many seconds; every episode there is, oldest first."""
        self.now += timedelta(seconds=seconds)
        await self.episodes.look(self.now)
        return list(self.store.episodes.values())

    async def hear(self, *messages: Any) -> None:
        await self.episodes.observe([Record(each, "key", "topic", 0, 0) for each in messages])


async def test_an_episode_opens_when_the_change_has_settled_and_only_once():
    world = World()
    world.incident("i1", "a", "b")
    assert await world.after(14) == []
    (episode,) = await world.after(2)
    assert list(episode.cameras) == ["a", "b"]
    assert world.incidents.known["i1"].episode_id == episode.episode_id
    assert len(await world.after(5)) == len(await world.after(5)) == 1


async def test_cameras_that_join_get_an_episode_of_their_own_and_no_camera_two():
    world = World(most_open=5)
    incident = world.incident("i1", "a", "b")
    (first,) = await world.after(20)
    await world.after(2)
    incident.cameras.append("c")
    assert len(await world.after(5)) == 1  # the first is still at work
    await world.store.change(first.episode_id, lambda each: progress.end(each, Episode.STATE_GAVE_UP, "", NOW))
    _, second = await world.after(5)
    assert list(second.cameras) == ["c"]


async def test_a_second_incident_on_cameras_that_are_being_cured_opens_no_second_episode():
    world = World(most_open=5)
    world.incident("i1", "a", "b")
    (first,) = await world.after(20)
    world.incident("i2", "b", signal="count")
    assert await world.after(20) == [first]
    await world.store.change(first.episode_id, lambda each: progress.end(each, Episode.STATE_RECOVERED, "", world.now))
    assert await world.after(20) == [first]  # what fired before the cure is of the cause that was cured
    world.incident("i3", "b", signal="count")
    _, second = await world.after(20)
    assert list(second.cameras) == ["b"]


async def test_a_camera_that_is_broken_is_never_trained_on():
    world = World()
    world.incident("i1", "a", "b")
    world.incident("i2", "b", kind="camera", signal="camera.moved")
    (episode,) = await world.after(20)
    await world.after(2)
    assert (episode.state, list(episode.cameras)) == (Episode.STATE_SELECTING, ["a"])
    assert list(episode.left_out) == ["b: camera.moved"]
    world.incident("i3", "a", kind="camera", signal="camera.frozen")
    await world.after(2)
    assert episode.state == Episode.STATE_GAVE_UP
    assert "camera.frozen" in episode.text
    only_broken = World()
    only_broken.incident("i1", "b")
    only_broken.incident("i2", "b", kind="camera", signal="camera.covered")
    assert await only_broken.after(20) == []


async def test_no_more_episodes_are_open_at_once_than_the_project_allows():
    world = World(most_open=2)
    for number in range(3):
        world.incident(f"i{number}", f"c{number}")
    first, _ = await world.after(20)
    assert len(await world.after(5)) == 2
    await world.store.change(first.episode_id, lambda each: progress.end(each, Episode.STATE_GAVE_UP, "", NOW))
    assert len(await world.after(5)) == 3


async def test_no_more_episodes_begin_in_a_day_than_the_project_allows():
    world = World(most_per_day=2, timeout_s=60)
    for number in range(4):
        world.incident(f"i{number}", f"c{number}")
        episodes = await world.after(300)
    assert len(episodes) == 2
    assert len(await world.after(23 * 3600)) == 2
    assert len(await world.after(3600)) == 3


async def test_the_hand_brake_opens_nothing_and_holds_the_next_step():
    world = World()
    world.store.paused["roads"] = "anna"
    world.incident("i1", "a")
    assert await world.after(60) == []
    del world.store.paused["roads"]
    (episode,) = await world.after(1)
    world.store.paused["roads"] = "anna"
    await world.after(1)
    assert episode.state == Episode.STATE_SETTLING
    del world.store.paused["roads"]
    await world.after(1)
    assert episode.state == Episode.STATE_SELECTING


async def test_a_change_that_goes_away_by_itself_costs_nothing():
    world = World()
    incident = world.incident("i1", "a")
    (episode,) = await world.after(20)
    incident.state = Incident.STATE_RESOLVED
    await world.after(1)
    assert episode.state == Episode.STATE_GAVE_UP
    assert "by itself" in episode.text


async def test_what_takes_too_long_is_given_up_and_the_incident_is_left_to_people():
    world = World(timeout_s=600)
    incident = world.incident("i1", "a")
    (episode,) = await world.after(20)
    await world.after(601)
    assert episode.state == Episode.STATE_GAVE_UP
    assert incident.state == Incident.STATE_FIRING
    assert len(await world.after(600)) == 1  # its camera was tried once


@pytest.mark.parametrize("crash", [False, True])
async def test_an_episode_that_recovered_resolves_its_incident_even_after_a_crash(crash: bool):
    world = World()
    incident = world.incident("i1", "a")
    (episode,) = await world.after(20)
    await world.after(1)
    of = {"episode_id": episode.episode_id}
    rollout = Rollout(rollout_id="o1", state=Rollout.STATE_CONFIRMED, cameras=["a"], text="the accuracy is back", **of)
    rollout.candidate.name, rollout.candidate.version = "roads", "2"
    run = TrainingRun(run_id="r1", state=TrainingRun.STATE_PASSED, **of)
    label = Label(frame_id="f1", revision=1, **of)
    world.incidents.away = crash
    way = [
        Selection(selection_id="s1", picks=[Pick(frame_id="f1")], **of), label, label,
        DatasetReleased(name="roads", version="v1", **of), run, rollout, rollout,
    ]  # fmt: skip
    await world.hear(*way)
    assert (episode.state, episode.labels) == (Episode.STATE_RECOVERED, 1)
    if crash:
        assert incident.state == Incident.STATE_FIRING
        world.incidents.away = False
        await world.after(1)
    assert incident.state == Incident.STATE_RESOLVED
    assert incident.by == f"episode {episode.episode_id[:8]}"
    assert "roads:2 serves a" in incident.note
    assert await world.after(60) == [episode]
