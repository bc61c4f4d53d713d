"""An episode under kill -9: every quarter of a minute a random process dies, and the loop closes all the same.

`make chaos` (about eight minutes).
"""

import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from cvops import Client, Connection
from cvops.errors import CvopsError
from cvops_local.demo.champion import shipped
from cvops_local.demo.platform import SETTINGS
from cvops_local.demo.preparation import PROJECT, fair_weather, project_file, serve_champion
from cvops_local.demo.story import CHANGED, CLASSES, RENAMED, STORIES, recordings
from cvops_protos.v1.alerting_pb2 import Episode
from cvops_protos.v1.training_pb2 import Rollout
from tests.e2e.hook import Hook
from tests.e2e.whole_platform import Platform

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

CHANGE_S = 25.0
EVERY_S = 15.0
LONGEST_S = 900.0
SEED = 5
VICTIMS = ("ingest", "inference", "drift", "labeling", "trainer", "alerting", "kafka", "mongod", "training")
DONE = (Episode.STATE_RECOVERED, Episode.STATE_GAVE_UP)


@pytest.fixture
def own_platform(tmp_path: Path) -> Iterator[Platform]:
    settings = {name.removeprefix("CVOPS_").lower(): value for name, value in SETTINGS.items()}
    platform = Platform(tmp_path / "data", **settings)
    try:
        platform.start()
        yield platform
    finally:
        platform.close()


def strike(platform: Platform, victim: str) -> None:
    """kill -9; "training" is the process of a run, if there is one."""
    if victim != "training":
        platform.kill(victim)
        return
    for process in psutil.Process(platform.pid("trainer")).children():
        if "cvops_trainer.runs.process" in process.cmdline():
            process.kill()


def episodes(client: Client) -> list[Episode]:
    with suppress(CvopsError):
        return client.loop.episodes(PROJECT)
    return []


def prepare(platform: Platform, client: Client, hook: Hook, folder: Path) -> None:
    """Project with a route, champion, labels of fair weather, and the last minutes of every camera."""
    project = project_file(folder)
    route = f"{{name: hook, kind: webhook, url: '{hook.url}'}}"
    text = project.read_text().replace("alerts: {", f"alerts: {{routes: [{route}], ")
    project.write_text(text)
    platform.run("apply", "-f", str(project))
    serve_champion(client, shipped())
    cameras = STORIES["snow"].scenario(CHANGE_S, SEED).cameras
    client.labeling.import_images(PROJECT, fair_weather(cameras, 10.0))
    (folder / "recordings.yaml").write_text(recordings(SEED))
    platform.run("sim", "run", str(folder / "recordings.yaml"), "--fast", "--truth", str(folder / "recordings.jsonl"))


def test_the_loop_closes_while_processes_die(own_platform: Platform, hook: Hook, tmp_path: Path) -> None:
    platform, chance = own_platform, random.Random(SEED)
    story, truth = tmp_path / "story.yaml", tmp_path / "truth.jsonl"
    story.write_text(STORIES["snow"].yaml(CHANGE_S, SEED))
    mapping = [part for old, new in RENAMED.items() for part in ("--map", f"{old}={new}")]
    with Client(Connection.find(platform.data_dir, {})) as client:
        prepare(platform, client, hook, tmp_path)
        fleet = platform.start_command("sim", "run", str(story), "--truth", str(truth), "--json")
        oracle = platform.start_command("sim", "oracle", str(truth), "--classes", ",".join(CLASSES), *mapping)
        try:
            time.sleep(CHANGE_S + 5)
            end_s, killed, left = time.monotonic() + LONGEST_S, [], []
            while not any(each.state in DONE for each in episodes(client)):
                assert time.monotonic() < end_s, f"no end after {killed}: {episodes(client)}\n{platform.logs()}"
                left = left or chance.sample(VICTIMS, len(VICTIMS))
                victim = left.pop()
                with suppress(psutil.NoSuchProcess, AssertionError):
                    strike(platform, victim)
                    killed.append(victim)
                time.sleep(EVERY_S)
            assert platform.run("status", "--wait", "90").returncode == 0
        finally:
            # SIGINT lets the agents send what they still hold.
            for process in (oracle, fleet):
                process.send_signal(signal.SIGINT)
            fleet.communicate(timeout=120)
            oracle.communicate(timeout=60)
        assert len(set(killed)) >= 5
        check_the_end(platform, client, hook)
    print(f"closed after {len(killed)} kills: {', '.join(killed)}")


def check_the_end(platform: Platform, client: Client, hook: Hook) -> None:
    cured = [each for each in episodes(client) if each.state == Episode.STATE_RECOVERED]
    assert len(cured) == 1, episodes(client)
    (episode,) = cured
    assert set(episode.cameras) == set(CHANGED)
    # Exactly one candidate was registered, tried and promoted.
    (rollout,) = client.training.rollouts(PROJECT)
    assert rollout.state == Rollout.STATE_CONFIRMED
    assert len(set(rollout.release_ids)) == len(rollout.release_ids)
    versions, releases = client.models.list()
    assert [each.version for each in versions] == ["2", "1"]
    promoted = [each for each in releases if each.version == "2"]
    assert len(promoted) == 1 and promoted[0].stage == "champion"
    released = [
        record["event"]["release_id"] for record in platform.tail("model-released") if record.get("event") is not None
    ]
    assert len(set(released)) == len(released)
    # No label is lost: every task that is done has its label, once in the topic.
    events = {(each["event"]["frame_id"], each["event"]["revision"]) for each in platform.tail("labels")}
    kept = {(label.frame_id, str(label.revision)) for label in client.labeling.export(PROJECT)}
    assert {frame for frame, _ in kept} <= {frame for frame, _ in events}
    assert episode.labels > 0
    # Every frame that was acknowledged has one prediction of the champion or its successor, and the ledger balances.
    end = time.monotonic() + 60
    for camera in CHANGED:
        while True:
            frames = {record["event"]["frame_id"] for record in platform.tail("frames", "--camera", camera)}
            seen = {record["event"]["frame_id"] for record in platform.tail("predictions", "--camera", camera)}
            if frames <= seen or time.monotonic() > end:
                break
            time.sleep(1)
        assert frames <= seen, f"{len(frames - seen)} of {len(frames)} frames of {camera} have no prediction"
        ledger = platform.json("camera", "status", camera)["ledger"]
        parts = ledger["stored"] + ledger["sampled_out"] + sum(ledger["rejected"].values()) + ledger["duplicates"]
        assert ledger["captured"] == parts + ledger["gaps"]
    # A message may be sent again with its id; for a receiver that knows the ids nothing is told twice.
    told = {name: (body["incident"]["incident_id"], body["what"]) for name, body in hook.got}
    fired = [key for key in told.values() if key[1] == "fire"]
    assert len(set(fired)) == len(fired)
    assert platform.run("dlq", "list", "--json").stdout == ""
