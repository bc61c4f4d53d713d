"""The running service: an episode from its frames to its dataset, and audits of a rollout."""

from datetime import timedelta

import pytest

from cvops_common.objects import Objects
from cvops_datasets.release import read_release
from cvops_protos.v1 import labeling_pb2 as pb
from cvops_protos.v1.alerting_pb2 import Episode
from cvops_protos.v1.prediction_pb2 import ModelRole
from cvops_protos.v1.training_pb2 import Rollout
from tests.labeling.conftest import BEGIN, CLASSES, box
from tests.labeling.waiting import until

pytestmark = pytest.mark.engines


def episode_of(project: str, cameras, state=Episode.STATE_SELECTING, revision: int = 1) -> Episode:
    episode = Episode(episode_id=f"e-{project}", project=project, state=state, cameras=cameras, revision=revision)
    episode.since.FromDatetime(BEGIN)
    return episode


async def test_an_episode_becomes_tasks_then_labels_then_a_dataset(labeling, seen, project):
    cameras = [f"{project}-1", f"{project}-2"]
    await labeling.feed(await seen.frames(cameras, 60))
    await until(labeling.frames, lambda found: len(found) == 120)
    episode = episode_of(project, cameras)
    await labeling.feed([episode, episode])
    tasks = (await until(lambda: labeling.tasks(episode_id=episode.episode_id), lambda found: found.tasks)).tasks
    assert len(tasks) >= 40
    assert {task.camera_id for task in tasks} == set(cameras)
    assert {task.purpose for task in tasks} == {"train"}
    leased = await labeling.lease(len(tasks) + 5, episode_id=episode.episode_id)
    assert len(leased) == len(tasks)
    assert list(leased[0].suggestion_classes) == list(CLASSES)
    for i, task in enumerate(leased):
        asset = await labeling.call("GetAsset", pb.GetAssetRequest(sha256=task.asset_sha256), by="annotator")
        assert asset.image.startswith(b"\xff\xd8")
        await labeling.label(task, [box()] * (i % 2), skip=i == 2)
    released = await until(
        lambda: labeling.told("dataset-released", pb.DatasetReleased, f"{project}/{project}"), lambda found: found
    )
    assert len(released) == 1
    assert released[0].episode_id == episode.episode_id
    assert sorted(released[0].cameras) == cameras
    dataset = await read_release(
        Objects(labeling.settings.objects), released[0].manifest_uri, released[0].manifest_sha256
    )
    assert len(dataset.images) == len(leased) - 1
    assert dict(released[0].images) == dict(dataset.manifest.images)
    assert sum(count for split, count in released[0].images.items() if split != "train") >= len(leased) / 4 - 1
    selections = await labeling.told("selections", pb.Selection, tasks[0].selection_id)
    assert len(selections) == 1
    assert {pick.frame_id for pick in selections[0].picks} == {task.frame_id for task in tasks}
    labels = await labeling.told("labels", pb.Label, cameras[0])
    assert len(labels) == sum(task.camera_id == cameras[0] for task in leased)


async def test_most_labels_and_silence_are_enough_and_nobody_is_asked_any_more(labeling, seen, project):
    cameras = [f"{project}-1"]
    await labeling.feed(await seen.frames(cameras, 40))
    await until(labeling.frames, lambda found: len(found) == 40)
    await labeling.feed([episode_of(project, cameras)])
    tasks = (await until(labeling.tasks, lambda found: found.tasks)).tasks
    for task in tasks[: -(len(tasks) // 10) or None]:
        await labeling.label(task)
    released = await until(lambda: labeling.told("dataset-released", pb.DatasetReleased, f"{project}/{project}"))
    assert len(released) == 1
    assert await labeling.lease(10) == []


async def test_an_episode_that_ended_asks_nobody(labeling, seen, project):
    cameras = [f"{project}-1"]
    await labeling.feed(await seen.frames(cameras, 40))
    await until(labeling.frames, lambda found: len(found) == 40)
    await labeling.feed([episode_of(project, cameras)])
    await until(labeling.tasks, lambda found: found.tasks)
    await labeling.feed([episode_of(project, cameras, Episode.STATE_GAVE_UP, 2)])
    await until(labeling.tasks, lambda found: found.counts["open"] == 0)
    assert await labeling.lease(10) == []


async def test_a_rollout_brings_audit_tasks_until_it_ends_and_its_episode_becomes_a_slice(labeling, seen, project):
    cameras = [f"{project}-1", f"{project}-2"]
    await labeling.feed(await seen.frames(cameras, 40))
    await until(labeling.frames, lambda found: len(found) == 80)
    episode = episode_of(project, cameras)
    await labeling.feed([episode])
    for task in (await until(labeling.tasks, lambda found: found.tasks)).tasks:
        await labeling.label(task, [box()])
    rollout = Rollout(
        rollout_id=f"r-{project}",
        project=project,
        episode_id=episode.episode_id,
        cameras=cameras,
        state=Rollout.STATE_SHADOW,
        revision=1,
    )
    later = BEGIN + timedelta(minutes=10)
    rollout.stage_since.FromDatetime(later)
    await labeling.feed(await seen.frames(cameras, 20, begin=later))
    await labeling.feed(await seen.frames(cameras, 20, begin=later, role=ModelRole.MODEL_ROLE_SHADOW))
    await labeling.feed([rollout])
    audits = await until(labeling.tasks, lambda found: sum(each.purpose == "audit" for each in found.tasks) >= 8)
    chosen = [each for each in audits.tasks if each.purpose == "audit"]
    assert {each.camera_id for each in chosen} == set(cameras)
    assert all(each.captured_at.ToSeconds() >= later.timestamp() for each in chosen)
    assert {each.reason for each in chosen} == {"random"}
    leased = await labeling.lease(3)
    assert {each.purpose for each in leased} == {"audit"}
    label = await labeling.label(leased[0], [box()])
    assert (label.purpose, label.split, label.reason) == ("audit", "test", "random")
    rollout.state, rollout.revision = Rollout.STATE_CONFIRMED, 2
    await labeling.feed([rollout])
    await until(labeling.tasks, lambda found: found.counts["open"] + found.counts["leased"] == 0)
    await until(lambda: labeling.told("dataset-released", pb.DatasetReleased, f"{project}/{project}"))
    released = await labeling.call("ReleaseDataset", pb.ReleaseDatasetRequest(project=project))
    assert list(released.slices) == [episode.episode_id]
    dataset = await read_release(Objects(labeling.settings.objects), released.manifest_uri, released.manifest_sha256)
    in_slice = [each for each in dataset.images if each.slices]
    assert in_slice
    assert all(each.split != "train" and each.purpose == "train" for each in in_slice)
    assert all(each.split == "test" for each in dataset.images if each.purpose == "audit")


async def test_an_audit_never_stands_beside_a_frame_that_is_trained_on(labeling, seen, project):
    cameras = [f"{project}-1"]
    await labeling.feed(await seen.frames(cameras, 40))
    await until(labeling.frames, lambda found: len(found) == 40)
    request = pb.SelectFramesRequest(project=project)
    request.since.FromDatetime(BEGIN)
    await labeling.call("SelectFrames", request)
    trained = [each for each in (await labeling.tasks()).tasks if each.purpose == "train"]
    await labeling.feed(await seen.frames(cameras, 20, begin=BEGIN + timedelta(seconds=40)))
    rollout = Rollout(
        rollout_id=f"r-{project}", project=project, cameras=cameras, state=Rollout.STATE_CANARY, revision=1
    )
    rollout.stage_since.FromDatetime(BEGIN)
    await labeling.feed([rollout])
    found = await until(labeling.tasks, lambda found: sum(each.purpose == "audit" for each in found.tasks) >= 2)
    await labeling.feed(
        [Rollout(rollout_id=f"r-{project}", project=project, state=Rollout.STATE_ROLLED_BACK, revision=2)]
    )
    held = {each.frame_id for each in trained if each.reason == "random"}
    for audit in (each for each in found.tasks if each.purpose == "audit"):
        for task in trained:
            if task.frame_id not in held:
                assert abs(audit.captured_at.ToSeconds() - task.captured_at.ToSeconds()) > 10
