"""kill -9 in the middle of a stream: nothing acknowledged is lost, and every frame has one prediction effect."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.whole_platform import Platform


@pytest.fixture
def own_platform(tmp_path: Path) -> Iterator[Platform]:
    platform = Platform(tmp_path / "data")
    try:
        platform.start()
        yield platform
    finally:
        platform.close()


def frame_ids(platform: Platform, topic: str) -> list[str]:
    return [record["event"]["frame_id"] for record in platform.tail(topic)]


def wait_for_frames(platform: Platform, count: int, deadline_s: float = 60) -> None:
    end = time.monotonic() + deadline_s
    while len(set(frame_ids(platform, "frames"))) < count:
        assert time.monotonic() < end, f"{count} frames did not come\n{platform.logs()}"
        time.sleep(0.2)


@pytest.mark.timeout(500)
def test_nothing_is_lost_whoever_is_killed_and_however_it_ends(own_platform: Platform, shared_data: Path) -> None:
    platform = own_platform
    second = platform.run("up", check=False)
    assert second.returncode == 1
    assert "already runs" in second.stderr
    platform.serve_yolox(shared_data)
    platform.run("camera", "add", "road", "--site", "north")
    clip = str(shared_data / "videos" / "traffic_road_a.mp4")
    push = platform.start_command("push", clip, "--camera", "road", "--realtime", "--loop", "0", "--fps", "5", "--json")

    for victim in ("ingest", "inference", "drift", "labeling", "alerting", "kafka", "mongod"):
        wait_for_frames(platform, 1 + len(set(frame_ids(platform, "frames"))))
        platform.kill(victim)
        assert platform.run("status", "--wait", "60").returncode == 0
    wait_for_frames(platform, 1 + len(set(frame_ids(platform, "frames"))))
    platform.kill_everything()
    platform.start()
    wait_for_frames(platform, 1 + len(set(frame_ids(platform, "frames"))))

    push.send_signal(signal.SIGINT)
    out, err = push.communicate(timeout=60)
    assert push.returncode == 0, f"{out}\n{err}\n{platform.logs()}"
    report = json.loads(out)
    count = report["acknowledged"]
    assert report["captured"] == count + report["sampled_out"]
    assert (report["dropped"], report["corrupt"], report["rejected"]) == (0, 0, {})
    wait_for_frames(platform, count)
    end = time.monotonic() + 90
    while len(set(frame_ids(platform, "predictions"))) < count:
        assert time.monotonic() < end, f"predictions are missing\n{platform.logs()}"
        time.sleep(0.5)

    frames = [record["event"] for record in platform.tail("frames")]
    assert {int(frame.get("sequence", 0)) for frame in frames} == set(range(count))
    predictions = [record["event"] for record in platform.tail("predictions")]
    assert {p["frame_id"] for p in predictions} == {f["frame_id"] for f in frames}
    assert len({p["prediction_id"] for p in predictions}) == count
    assert platform.run("dlq", "list", "--json").stdout == ""
    ledger = platform.json("camera", "status", "road")["ledger"]
    assert ledger["stored"] == count
    # A frame whose answer was lost in a kill comes again, and is told so.
    assert ledger["captured"] - ledger["duplicates"] == report["captured"]
    assert ledger["sampled_out"] == report["sampled_out"]
    (watched,) = platform.json("drift", "status", "road")
    assert watched["models"][0]["model"]["name"] == "coco"
    assert "problems" not in watched
    end = time.monotonic() + 30
    while len(catalog := platform.json("frames", "search", "--camera", "road", "--limit", "5000")) < count:
        assert time.monotonic() < end, f"the catalog lacks frames\n{platform.logs()}"
        time.sleep(0.5)
    assert {each["frame_id"] for each in catalog} == {f["frame_id"] for f in frames}
    assert ledger["gaps"] == 0
    parts = ledger["stored"] + ledger["sampled_out"] + sum(ledger["rejected"].values()) + ledger["duplicates"]
    assert ledger["captured"] == parts + ledger["gaps"]

    assert platform.stop() == 0
    assert platform.run("status", check=False).returncode == 1
    assert platform.start() < 60
    assert platform.json("camera", "get", "road")["site"] == "north"
    assert platform.json("camera", "status", "road")["ledger"]["stored"] == count
    assert len(platform.json("frames", "search", "--camera", "road", "--limit", "5000")) == count
