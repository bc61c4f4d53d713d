"""Plays a scenario into a platform, each camera through an edge agent of its own."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cvops.cameras import Camera
from cvops.client import Client
from cvops.edge.agent import EdgeAgent, PushOptions, PushReport
from cvops.errors import CvopsError
from cvops_sim.fleet import Mounted
from cvops_sim.scenario import Scenario
from cvops_sim.source import SimSource
from cvops_sim.truth_file import TruthWriter

_TELL_EVERY_S = 0.3


@dataclass(slots=True)
class Played:
    """What became of the frames.

    Attributes:
        reports: by camera id.
        failures: by camera id, why its agent gave up.
    """

    reports: dict[str, PushReport] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def acknowledged(self) -> int:
        """Frames that the platform has."""
        return sum(report.acknowledged for report in self.reports.values())

    @property
    def captured(self) -> int:
        """Frames that the cameras made."""
        return sum(report.captured for report in self.reports.values())


def play(
    scenario: Scenario,
    client: Client,
    truth: Path,
    *,
    realtime: bool,
    on_progress: Callable[[Played], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> Played:
    """Registers the cameras, pushes their frames and writes the truth of each.

    Args:
        scenario: what to play.
        client: of the platform.
        truth: file that is written, JSON lines; `camera_id` and `captured_at_ns` name the frames.
        realtime: at its own speed, frames captured now; else as fast as it goes, captured so that it ends now.
        on_progress: called a few times a second.
        stop: set it, and the cameras end with the frames that they have made.

    Raises:
        CvopsError: a camera cannot be registered.
    """
    for mounted in scenario.cameras:
        _register(client, mounted, scenario)
    start_ns = time.time_ns() - (0 if realtime else int(scenario.duration_s * 1e9))
    played = Played()
    with TruthWriter(truth) as writer:

        def agent(mounted: Mounted) -> EdgeAgent:
            source = SimSource(scenario.play(mounted, start_ns), scenario.frames, writer.write)
            options = PushOptions(realtime=realtime, start_ns=start_ns)

            def tell(report: PushReport) -> None:
                played.reports[mounted.camera_id] = report

            return EdgeAgent(source, mounted.camera_id, client.connection, options, tell)

        def push(camera_id: str, agent: EdgeAgent) -> None:
            try:
                played.reports[camera_id] = agent.run()
            except CvopsError as error:
                played.failures[camera_id] = str(error)
            except Exception as error:  # a full disk, a fault of ours: the run must not look whole
                played.failures[camera_id] = repr(error)

        agents = {mounted.camera_id: agent(mounted) for mounted in scenario.cameras}
        threads = [threading.Thread(target=push, args=each, name=each[0], daemon=True) for each in agents.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(_TELL_EVERY_S)
                on_progress(played)
                if stop is not None and stop.is_set():
                    for each in agents.values():
                        each.stop()
    return played


def _register(client: Client, mounted: Mounted, scenario: Scenario) -> None:
    """Adds a camera, or brings the one with its id up to date."""
    wish = Camera(
        mounted.camera_id,
        site=mounted.site,
        firmware=mounted.firmware,
        tags={"scenario": scenario.name, "kind": mounted.scene.kind.value},
    )
    known = {camera.camera_id for camera in client.cameras.list(f"camera_id={mounted.camera_id}")}
    if mounted.camera_id in known:
        client.cameras.set(wish)
    else:
        client.cameras.add(wish)
