"""A service that is stopped, and one that takes over: what is stored is enough to go on."""

import asyncio
from datetime import timedelta

import pytest

from tests.labeling.conftest import BEGIN, running
from tests.labeling.test_app import episode_of
from tests.labeling.waiting import until

pytestmark = pytest.mark.engines


async def test_an_episode_waits_for_frames_and_survives_a_restart(settings, seen, project):
    cameras = [f"{project}-1"]
    episode = episode_of(project, cameras)
    patient = settings.model_copy(update={"select_wait_s": 60.0})
    async with running(patient, project) as first:
        few = await seen.frames(cameras, 10)
        await first.feed([*few, episode])
        await until(first.frames, lambda found: len(found) == 10)
        await asyncio.sleep(0.5)  # several looks
        assert not (await first.tasks()).tasks
    async with running(patient, project) as second:
        await second.feed(await seen.frames(cameras, 30, begin=BEGIN + timedelta(seconds=10)))
        tasks = (await until(second.tasks, lambda found: found.tasks)).tasks
        assert {task.episode_id for task in tasks} == {episode.episode_id}
