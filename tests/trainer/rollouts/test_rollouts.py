"""The stages of a rollout on live evidence: a candidate that is good offline and bad live is gone within a minute."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cvops_common.errors import BadArgument, Conflict, NotFound
from cvops_common.records import Record
from cvops_protos.v1.alerting_pb2 import LoopStatus
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.project_pb2 import Project
from cvops_protos.v1.trainer_pb2 import ModelVersion
from cvops_protos.v1.training_pb2 import Rollout
from cvops_trainer.fleet import Fleet
from cvops_trainer.rollouts.rollouts import Rollouts
from tests.trainer.rollouts.test_pairs import BOX, WRONG, label, said

CAMERAS = ("north-1", "north-2", "south-1")
FRAMES_PER_S = 5
SHADOW, CANARY, PROMOTED, CONFIRMED, BACK = (
    Rollout.STATE_SHADOW, Rollout.STATE_CANARY, Rollout.STATE_PROMOTED, Rollout.STATE_CONFIRMED,
    Rollout.STATE_ROLLED_BACK,
)  # fmt: skip


def record(key: str, message: Any) -> Record[Any]:
    return Record(message, key, "topic", 0, 0)


class Registry:
    """Two models, the old and the new."""

    async def find(self, reference: str) -> ModelVersion:
        name = reference.partition(":")[0]
        if name not in ("old", "new"):
            raise NotFound(f"there is no model {reference!r}")
        return ModelVersion(name=name, version="1", bundle_sha256=name, bundle_uri=name, classes=("car", "bus"))


@dataclass
class Releases:
    """Slots in memory."""

    slots: dict[str, ModelReleased] = field(default_factory=dict)

    async def serving(self) -> list[ModelReleased]:
        return list(self.slots.values())

    async def step(self, released: ModelReleased, release_id: str, correlation_id: str) -> ModelReleased:
        key = f"{released.project}/{released.slot}"
        if released.stage == ModelReleased.STAGE_WITHDRAWN:
            self.slots.pop(key, None)
        else:
            self.slots[key] = released
        return released


@dataclass
class Store:
    """Rollouts in memory."""

    kept: dict[str, tuple[bytes, Mapping[str, Any]]] = field(default_factory=dict)

    async def add(self, rollout: Rollout) -> bool:
        new = rollout.rollout_id not in self.kept
        if new:
            await self.save(rollout, {})
        return new

    async def save(self, rollout: Rollout, stage: Mapping[str, Any]) -> None:
        self.kept[rollout.rollout_id] = (rollout.SerializeToString(), stage)

    async def get(self, rollout_id: str) -> Rollout:
        return Rollout.FromString(self.kept[rollout_id][0])

    async def open(self) -> Sequence[tuple[Rollout, Mapping[str, Any]]]:
        all_of_them = [(Rollout.FromString(body), stage) for body, stage in self.kept.values()]
        return [(rollout, stage) for rollout, stage in all_of_them if rollout.state in (SHADOW, CANARY, PROMOTED)]


class World:
    """Three cameras, two models, people who label one frame in five, and a clock that is told what time it is."""

    def __init__(self, **release: Any) -> None:
        policy = {"shadow_frames": 20, "canary_frames": 20} | release
        self.fleet, self.releases, self.store = Fleet(), Releases(), Store()
        project = Project(project="p", release=Project.ReleasePolicy(**policy))
        self.fleet.on_projects([record("p", project)])
        self.fleet.on_cameras([record(each, Camera(camera_id=each, project="p")) for each in CAMERAS])
        champion = ModelReleased(project="p", slot="champion", stage=ModelReleased.STAGE_CHAMPION, percent=100)
        champion.model.name, champion.model.version, champion.model.bundle_sha256 = "old", "1", "old"
        self.releases.slots["p/champion"] = champion
        self.rollouts = Rollouts(self.store, Registry(), self.releases, self.fleet)
        self.now = datetime.now(UTC)
        self.begun = self.now
        self.frames = 0
        self.rollout = Rollout()

    async def start(self, cameras: Sequence[str] = ()) -> Rollout:
        self.rollout = await self.rollouts.start("p", "new:1", cameras, "")
        return self.rollout

    async def live(
        self, seconds: int, *, new: Sequence = (BOX,), old: Sequence = (WRONG,), ms: int = 5, labels: bool = True
    ) -> Rollout:
        """So many seconds in which both models say something of every frame; in truth a car stands there (BOX).

        Args:
            seconds: it ends as soon as the stage does.
            new: what the candidate finds; None: it does not answer.
            old: what the champion finds.
            ms: what the candidate takes for an image; the champion takes 5.
            labels: whether anybody labels.
        """
        was = (await self.get()).state
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            for _ in range(FRAMES_PER_S):
                self.frames += 1
                camera = CAMERAS[self.frames % len(CAMERAS)]
                name, at_s = f"f{self.frames}", self.now.timestamp()
                events: list[Any] = [said(name, "old", old, at_s)]
                if new is not None:
                    events.append(said(name, "new", new, at_s, ms))
                if labels and self.frames % 5 == 0:
                    events.append(label(name, ("car", 0, False)))
                await self.rollouts.observe([record(camera, each) for each in events])
            await self.rollouts.look(self.now)
            if (await self.get()).state != was:
                break
        return await self.get()

    async def get(self) -> Rollout:
        return await self.store.get(self.rollout.rollout_id)

    def counted(self, camera: str) -> set[str]:
        """Models whose answers count on a camera."""
        from cvops_trainer.served import served_by

        found = served_by(list(self.releases.slots.values()), Camera(camera_id=camera, project="p"))
        return {each.model.name for each in found if each.stage != ModelReleased.STAGE_SHADOW}


@pytest.fixture
async def world() -> World:
    return World()


async def test_a_better_one_goes_all_the_way_and_takes_the_cameras_that_it_is_for(world: World):
    await world.start(CAMERAS[:2])
    assert world.counted("north-1") == {"old"}
    for state in (CANARY, PROMOTED, CONFIRMED):
        assert (await world.live(60)).state == state
    assert [world.counted(camera) for camera in CAMERAS] == [{"new"}, {"new"}, {"old"}]


async def test_from_a_bad_canary_to_the_rollback_it_takes_less_than_a_minute(world: World):
    await world.start()
    assert (await world.live(60)).state == CANARY
    assert any(world.counted(camera) == {"new"} for camera in CAMERAS)
    bad_since = world.now
    rollout = await world.live(60, new=[WRONG], old=[BOX])
    assert rollout.state == BACK
    assert (world.now - bad_since).total_seconds() < 60
    assert "worse on labelled frames" in rollout.text
    assert [world.counted(camera) for camera in CAMERAS] == [{"old"}] * 3
    assert list(world.releases.slots) == ["p/champion"]
    assert {evidence.stage for evidence in rollout.evidence} == {"shadow", "canary"}


async def test_one_that_turns_bad_when_it_is_promoted_is_taken_back_from_all_cameras(world: World):
    await world.start()
    for state in (CANARY, PROMOTED):
        assert (await world.live(60)).state == state
    bad_since = world.now
    assert (await world.live(60, new=[WRONG], old=[BOX])).state == BACK
    assert (world.now - bad_since).total_seconds() < 60
    assert [world.counted(camera) for camera in CAMERAS] == [{"old"}] * 3


async def test_one_that_sees_nothing_any_more_is_taken_back_without_a_label(world: World):
    await world.start()
    assert (await world.live(60)).state == CANARY
    rollout = await world.live(60, new=[], old=[BOX], labels=False)
    assert rollout.state == BACK
    assert "hardly sees anything" in rollout.text


@pytest.mark.parametrize("first_s", [0, 5])
async def test_one_that_does_not_answer_or_falls_silent_is_taken_back_within_a_minute(world: World, first_s: int):
    await world.start()
    await world.live(first_s, labels=False)
    rollout = await world.live(60 - first_s, new=None, old=[BOX])
    assert rollout.state == BACK
    assert "did not answer" in rollout.text


async def test_one_that_takes_its_time_to_load_is_waited_for(world: World):
    await world.start()
    assert (await world.live(25, new=None, labels=False)).state == SHADOW
    assert (await world.live(60)).state == CANARY


async def test_a_slow_one_is_taken_back(world: World):
    await world.start()
    rollout = await world.live(60, ms=20)
    assert rollout.state == BACK
    assert "4.0 times as long" in rollout.text


async def test_without_a_decision_its_time_is_up_and_the_champion_stays():
    world = World(stage_timeout_s=30)
    await world.start()
    assert (await world.live(29, new=[BOX], old=[BOX], labels=False)).state == SHADOW
    rollout = await world.live(5, new=[BOX], old=[BOX], labels=False)
    assert rollout.state == BACK
    assert "no decision after 30 s" in rollout.text


async def test_what_is_held_by_hand_goes_no_step_forward_but_back_it_goes(world: World):
    rollout = await world.start()
    await world.rollouts.hold(rollout.rollout_id, True, "demo at noon")
    rollout = await world.live(40)
    assert (rollout.state, rollout.text, rollout.held) == (SHADOW, "demo at noon", True)
    await world.rollouts.hold(rollout.rollout_id, False, "")
    assert (await world.live(5)).state == CANARY
    await world.rollouts.hold(rollout.rollout_id, True, "")
    assert (await world.live(60, new=[WRONG], old=[BOX])).state == BACK
    with pytest.raises(BadArgument, match="has ended"):
        await world.rollouts.hold(rollout.rollout_id, True, "")


@pytest.mark.parametrize("brake", ["by hand", "loop"])
async def test_the_hand_brake_and_a_project_by_hand_hold_every_step_forward(brake: str):
    world = World(by_hand=brake == "by hand")
    if brake == "loop":
        world.fleet.on_loop([record("p", LoopStatus(project="p", paused=True))])
    await world.start()
    assert (await world.live(40)).state == SHADOW
    world.fleet.on_loop([record("p", LoopStatus(project="p", paused=False))])
    assert (await world.live(5)).state == (SHADOW if brake == "by hand" else CANARY)


async def test_a_restart_in_the_middle_goes_on_with_the_evidence(world: World):
    await world.start()
    before = await world.live(3)
    assert before.state == SHADOW
    await world.rollouts.hold(world.rollout.rollout_id, False, "")  # writes what it knows
    world.rollouts = Rollouts(world.store, Registry(), world.releases, world.fleet)
    async with world.rollouts:
        (labelled,) = [each for each in (await world.get()).evidence if each.what == "labelled gain"]
        assert labelled.frames == 3
        assert (await world.live(60)).state == CANARY
    evidence = {each.what: each.frames for each in (await world.get()).evidence if each.stage == "shadow"}
    assert evidence["expected finds"] == evidence["labelled gain"] * 5


async def test_two_candidates_are_never_tried_on_one_camera(world: World):
    await world.start(CAMERAS[:2])
    with pytest.raises(Conflict, match="north-2"):
        await world.rollouts.start("p", "new:1", CAMERAS[1:], "")
    await world.rollouts.stop(world.rollout.rollout_id, "")
    await world.rollouts.start("p", "new:1", CAMERAS[1:], "")
    with pytest.raises(BadArgument, match="no camera west-1"):
        await world.rollouts.start("p", "new:1", ["west-1"], "")
