"""`cvops demo`: a fleet whose world changes, and a platform that notices, learns and recovers, all by itself."""

import json
import re
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from rich.console import Console

from cvops import Client, Connection
from cvops.episode_pictures import chosen_frames
from cvops.episode_report import page_of
from cvops_common.errors import Unavailable
from cvops_local.demo import platform as own
from cvops_local.demo.accuracy_chart import chart
from cvops_local.demo.course import CHANGE_S, Course
from cvops_local.demo.outcome import Mark, Outcome
from cvops_local.demo.preparation import PROJECT, fair_weather, project_file, serve_champion
from cvops_local.demo.scoreboard import Scoreboard
from cvops_local.demo.screen import Screen
from cvops_local.demo.story import CHANGED, CLASSES, RECORDED_S, RENAMED, TURNED, Story, recordings
from cvops_local.folder import DataDir
from cvops_sim.scenario import Scenario

_FIRST_FRAMES_S = 90.0
_FLEET_LOG = "fleet.log"
_TOLD_OF_LOG = 2000
_LOOK_S = 1.0
_PICTURE_WIDTH = 132
_OTHER_HOUR = 10.0
_FONT_ADDRESS = re.compile(r',\s*url\("[^"]*"\) format\("\w+"\)')  # a picture asks no server for its letters


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How the demo is run.

    Attributes:
        story: what happens.
        seed: of the traffic.
        champion: bundle that serves at the begin.
        data_dir: of the platform; None: a folder that is removed at the end.
        report: where the HTML page goes.
        picture: where an SVG picture of the screen goes; None: nowhere.
    """

    story: Story
    seed: int
    champion: Path
    data_dir: Path | None
    report: Path
    picture: Path | None


def run_demo(options: DemoOptions, console: Console) -> Outcome:
    """Starts a platform and six cameras, lets the world change, and watches until it has ended.

    Raises:
        Unavailable: the platform does not become ready, or no camera sends.
        CvopsError: a call of the preparation failed.
    """
    console.print(f"[bold]{options.story.name}[/]: {options.story.doc}")
    with ExitStack() as stack:
        stack.enter_context(_stopped_in_order())
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cvops-demo-")))
        data = own.folder_of(options.data_dir, str(scratch))
        scenario = options.story.scenario(CHANGE_S, options.seed)
        console.print("[bold]$ cvops up[/]  [dim]# Kafka, MongoDB and six services[/]")
        ready_s = stack.enter_context(own.platform(data))
        console.print(f"  ready in {ready_s:.0f} s", style="dim")
        client = stack.enter_context(Client(Connection.find(data.path, {})))
        champion = _prepare(client, data, scenario, options.champion, scratch, console)
        _send_recordings(data, options.seed, scratch, console)
        truth = data.path / "truth.jsonl"
        truth.unlink(missing_ok=True)
        cameras = tuple(mounted.camera_id for mounted in scenario.cameras)
        script = scratch / f"{scenario.name}.yaml"
        script.write_text(options.story.yaml(CHANGE_S, options.seed))
        console.print(f"[bold]$ cvops sim run {script.name}[/]  [dim]# {len(cameras)} cameras, live[/]")
        others = tuple(camera for camera in cameras if camera not in (*CHANGED, TURNED))
        kafka, story = client.connection.kafka, options.story
        with _fleet(data, script, truth), Scoreboard(kafka, truth, cameras, CLASSES, RENAMED) as board:
            course = Course(client, board, story, champion, _first_frame(truth), scratch, options.champion, others)
            _watch(course, options, console)
        _write_report(course, options.report)
        return course.outcome(options.seed, *_examined(client, data, scenario, options, course.learned, console))


@contextmanager
def _stopped_in_order() -> Iterator[None]:
    """SIGTERM, and a terminal that goes away, end the demo as Ctrl-C does: everything is stopped, nothing is left."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _prepare(client: Client, data: DataDir, scenario: Scenario, bundle: Path, scratch: Path, console: Console) -> str:
    """The project, the champion, and what its team has labelled so far; gives the champion's "name:version"."""
    own.run(data, "apply", "-f", str(project_file(scratch)))
    console.print("[bold]$ cvops apply -f project.yaml[/]")
    champion = serve_champion(client, bundle)
    console.print(f"[bold]$ cvops model release {champion}[/]  [dim]# trained in fair weather[/]")
    with console.status("labelled frames of fair weather"):
        taken = client.labeling.import_images(PROJECT, fair_weather(scenario.cameras, _OTHER_HOUR))
    console.print(f"[bold]$ cvops label import[/]  [dim]# {taken.images} labelled frames of fair weather[/]")
    return champion


def _send_recordings(data: DataDir, seed: int, scratch: Path, console: Console) -> None:
    """The last minutes of every camera: what the platform takes for normal."""
    script = scratch / "recordings.yaml"
    script.write_text(recordings(seed))
    with console.status(f"the last {RECORDED_S} s of every camera"):
        own.run(data, "sim", "run", str(script), "--fast", "--truth", str(scratch / "recordings.jsonl"))
    console.print(f"[bold]$ cvops sim run {script.name} --fast[/]  [dim]# their last {RECORDED_S} s: what is normal[/]")


@contextmanager
def _fleet(data: DataDir, script: Path, truth: Path) -> Iterator[None]:
    """The cameras and the people who label, as processes of their own."""
    mapping = [part for old, new in RENAMED.items() for part in ("--map", f"{old}={new}")]
    commands = {
        _FLEET_LOG: ("sim", "run", str(script), "--truth", str(truth)),
        "oracle.log": ("sim", "oracle", str(truth), "--classes", ",".join(CLASSES), *mapping),
    }
    with ExitStack() as stack:
        for name, command in commands.items():
            stack.enter_context(own.companion(data, name, *command))
        yield


def _first_frame(truth: Path) -> float:
    """When the first camera captured its first frame, s since the epoch."""
    deadline_s = time.monotonic() + _FIRST_FRAMES_S
    while time.monotonic() < deadline_s:
        if truth.exists() and (first := truth.read_text().partition("\n"))[1]:
            return float(json.loads(first[0])["captured_at_ns"]) / 1e9
        time.sleep(0.05)
    said = (truth.parent / _FLEET_LOG).read_text()[-_TOLD_OF_LOG:].strip() or "nothing"
    raise Unavailable(f"no camera has sent a frame within {_FIRST_FRAMES_S:.0f} s; the fleet says: {said}")


def _watch(course: Course, options: DemoOptions, console: Console) -> None:
    begin_ns = int(course.began_s * 1e9)
    with Screen(console, begin_ns) as screen:
        over = False
        while not over:
            over = course.look(time.time())
            screen.update(course.telling.lines, course.standings, _rate(course), course.telling.now)
            time.sleep(_LOOK_S)
    final = screen.picture(course.telling.lines, course.standings, _rate(course))
    if console.is_terminal:
        console.print(final)
    if options.picture is not None:
        recorder = Console(
            record=True, width=_PICTURE_WIDTH, file=StringIO(), force_terminal=True, highlight=False, emoji=False
        )
        recorder.print(final)
        svg = recorder.export_svg(title=f"cvops demo --scenario {options.story.name}")
        options.picture.write_text(_FONT_ADDRESS.sub("", svg), encoding="utf-8")


def _examined(
    client: Client, data: DataDir, scenario: Scenario, options: DemoOptions, learned: str, console: Console
) -> tuple[Mark | None, Mark | None]:
    """Marks of the champion and of the model that was learned; None where nothing was to be learned, or was."""
    if not options.story.cured:
        return None, None
    from cvops_local.demo.examination import Examination  # brings PyTorch

    with console.status("both models on moments that nobody has seen"):
        examination = Examination(scenario, CHANGED)
        old = examination.of(options.champion)
        if not learned:
            return old, None
        version, _ = client.models.show(learned)
        return old, examination.of(data.objects / "bundles" / f"{version.bundle_sha256}.zip")


def _rate(course: Course) -> float:
    return course.board.count / max(time.time() - course.began_s, 1.0)


def _write_report(course: Course, path: Path) -> None:
    """The page of the episode with the accuracy that only the demo knows; of no episode there is none."""
    if not course.telling.episodes:
        return
    episode = course.telling.episodes[-1]
    marks = [(course.changed_s, "the change")]
    shown = {"selection": "labels", "dataset": "training", "canary": "canary", "champion": "promoted"}
    marks += [(step.at.ToNanoseconds() / 1e9, shown[step.what]) for step in episode.steps if step.what in shown]
    path.parent.mkdir(parents=True, exist_ok=True)
    extra = [chart(course.samples, marks), chosen_frames(course.client, episode)]
    path.write_text(page_of(episode, datetime.now(UTC), extra), encoding="utf-8")
