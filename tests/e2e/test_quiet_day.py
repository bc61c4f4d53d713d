"""A day on which nothing happens but morning, noon, evening and night: nobody is told, and nothing is trained.

Two cameras, a frame in ten seconds of 24 hours each, played as fast as it goes: `make quiet-day` (about ten minutes).
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvops import Client, Connection
from cvops_local.demo.champion import shipped
from cvops_local.demo.preparation import PROJECT, project_file, serve_champion
from cvops_protos.v1.alerting_pb2 import Incident
from tests.e2e.hook import Hook
from tests.e2e.whole_platform import Platform

pytestmark = [pytest.mark.long, pytest.mark.timeout(3000)]

HOURS = 24
DAY = f"""\
name: quiet-day
seed: 3
duration: {HOURS * 3600}s
fps: 0.1
hour: 10
fleet:
  - {{site: north, kind: suburb, cameras: 1}}
  - {{site: south, kind: urban, cameras: 1}}
"""


@pytest.fixture
def own_platform(tmp_path: Path) -> Iterator[Platform]:
    # When the day is over the cameras are silent, while their last frames are still looked at.
    platform = Platform(tmp_path / "data", ingest_offline_after_s="900")
    try:
        platform.start()
        yield platform
    finally:
        platform.close()


def test_a_quiet_day(own_platform: Platform, hook: Hook, tmp_path: Path) -> None:
    platform = own_platform
    project = project_file(tmp_path)
    route = f"{{name: hook, kind: webhook, url: '{hook.url}', least_severity: warning}}"
    project.write_text(project.read_text().replace("alerts: {", f"alerts: {{routes: [{route}], "))
    platform.run("apply", "-f", str(project))
    script = tmp_path / "day.yaml"
    script.write_text(DAY)
    with Client(Connection.find(platform.data_dir, {})) as client:
        serve_champion(client, shipped())
        play = platform.start_command(
            "sim", "run", str(script), "--fast", "--truth", str(tmp_path / "t.jsonl"), "--json"
        )
        _, err = play.communicate(timeout=2400)
        assert play.returncode == 0, err
        wait_for_predictions(platform, 2 * HOURS * 360)
        incidents = [
            f"{each.title}: " + "; ".join(f"{alarm.signal} {alarm.text}" for alarm in each.alarms)
            for each in client.alerting.incidents(PROJECT)
            if each.severity > 1 and each.state != Incident.STATE_PENDING
        ]
        assert client.loop.episodes(PROJECT) == []
        assert client.training.runs(PROJECT) == []
        assert hook.got == [], "\n".join(incidents)
    print(platform.run("drift", "status").stdout)


def wait_for_predictions(platform: Platform, count: int) -> None:
    """Until drift has seen all of them."""
    end, seen = time.monotonic() + 600, 0.0
    while (seen := platform.metric("inference", "cvops_inference_predictions_total")) < count:
        assert time.monotonic() < end, f"{seen} of {count} predictions"
        time.sleep(2)
    time.sleep(15)  # what is in flight to drift and alerting
