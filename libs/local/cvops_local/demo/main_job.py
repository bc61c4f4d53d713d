"""`cvops demo`: the main job from end to end on this machine, with its result checked against the truth."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from cvops import Client, Connection
from cvops.edge.pusher import FramePusher
from cvops_common.errors import Unavailable
from cvops_local.demo.agreement import Agreement, agree
from cvops_local.demo.detector import write_detector
from cvops_local.demo.picture import write_picture
from cvops_local.demo.scene import CLASSES, Scene
from cvops_local.demo.watch import PredictionWatch
from cvops_local.folder import DataDir
from cvops_local.ports import taken
from cvops_local.status import wait_ready
from cvops_protos.v1.prediction_pb2 import Prediction

CAMERAS = ("north-1", "north-2", "south-1", "south-2")
FRAMES = 60
FPS = 5.0
MUST_AGREE = 0.95
# The squares keep to their lanes, so boxes that overlap at all are of one square.
_THRESHOLDS = "--score-threshold 0.5 --iou-threshold 0.2"
_READY_S = 120.0
_PREDICTIONS_S = 60.0


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo saw; `complaints` says what did not hold, empty: all did."""

    pushed: int
    predicted: int
    agreement: Agreement
    median_latency_ms: float
    complaints: tuple[str, ...]


def run_demo(data_dir: Path | None, picture: Path, console: Console) -> DemoResult:
    """Starts a platform, teaches it a model, pushes four cameras, and checks every prediction.

    Args:
        data_dir: of the platform; None: a folder that is removed at the end.
        picture: where a PNG with the last boxes is written.
        console: for people.

    Raises:
        Unavailable: the platform does not become ready.
    """
    with tempfile.TemporaryDirectory(prefix="cvops-demo-") as scratch:
        data = DataDir((data_dir or Path(scratch) / "data").resolve())
        with _platform(data, console):
            connection = Connection.find(data.path, {})
            _prepare(Path(scratch), data, console)
            return _stream(connection, picture, console)


@contextmanager
def _platform(data: DataDir, console: Console) -> Iterator[None]:
    """A running `cvops up` of its own."""
    data.path.mkdir(parents=True, exist_ok=True)
    command = _cvops("up", "--port-base", str(_free_port_base()))
    console.print("[bold]$ cvops up[/]  [dim]# Kafka, MongoDB, ingest, inference, trainer[/]")
    began_s = time.monotonic()
    with (data.path / "up.log").open("ab") as log:
        up = subprocess.Popen(  # noqa: S603
            command, env=_environment(data), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        with console.status("starting"):
            ready = wait_ready(data, _READY_S)
        if not ready.ready:
            raise Unavailable(f"the platform is not ready after {_READY_S:.0f} s: look into {data.logs}")
        console.print(f"  ready in {time.monotonic() - began_s:.0f} s", style="dim")
        yield
    finally:
        up.terminate()
        up.wait(60)


def _prepare(scratch: Path, data: DataDir, console: Console) -> None:
    """Makes a detector on the spot, imports it, releases it, adds the cameras: the commands a user would type."""
    write_detector(scratch / "squares.onnx")
    classes = ",".join(CLASSES)
    model = scratch / "squares.onnx"
    commands = [
        f"model import {model} --name squares --format decoded --scale 1/255 --classes {classes} {_THRESHOLDS}",
        "model release squares",
        *(f"camera add {camera} --site {camera.split('-')[0]} --tag demo=yes" for camera in CAMERAS),
    ]
    for command in commands:
        console.print(f"[bold]$ cvops {command}[/]")
        done = subprocess.run(  # noqa: S603
            _cvops(*command.split()), env=_environment(data), capture_output=True, text=True, check=False
        )
        if done.returncode != 0 and "exists" not in done.stderr:
            raise Unavailable(f"cvops {command}: {done.stderr.strip()}")


def _stream(connection: Connection, picture: Path, console: Console) -> DemoResult:
    console.print(f"[bold]pushing {len(CAMERAS)} cameras at {FPS:.0f} frames a second[/]")
    scenes = {camera: Scene(seed) for seed, camera in enumerate(CAMERAS)}
    wanted = len(CAMERAS) * FRAMES
    with PredictionWatch(connection.kafka, list(CAMERAS)) as watch:
        before = dict.fromkeys(CAMERAS, 0)
        pushed = dict(before)

        def push(camera: str) -> None:
            began_s = time.monotonic()
            with FramePusher(connection, camera) as pusher:
                for index in range(FRAMES):
                    time.sleep(max(0.0, began_s + index / FPS - time.monotonic()))
                    pusher.send(_jpeg(scenes[camera].frame(index)[0]), time.time_ns())
                    pushed[camera] = pusher.counts.acknowledged
            pushed[camera] = pusher.counts.acknowledged

        threads = [threading.Thread(target=push, args=(camera,), daemon=True) for camera in CAMERAS]
        for thread in threads:
            thread.start()
        _show(console, wanted, lambda: sum(pushed.values()), lambda: watch.count, threads)
        predictions = {camera: list(found)[-FRAMES:] for camera, found in watch.by_camera.items()}
    return _judge(connection, scenes, predictions, sum(pushed.values()), picture)


def _show(
    console: Console,
    wanted: int,
    acknowledged: Callable[[], int],
    predicted: Callable[[], int],
    threads: list[threading.Thread],
) -> None:
    """Progress until every prediction has come, or the time is over."""
    columns = (TextColumn("{task.description:14}"), BarColumn(), TextColumn("{task.completed} of {task.total}"))
    deadline_s = time.monotonic() + FRAMES / FPS + _PREDICTIONS_S
    with Progress(*columns, console=console) as progress:
        pushed_bar = progress.add_task("acknowledged", total=wanted)
        predicted_bar = progress.add_task("predicted", total=wanted)
        while predicted() < wanted and time.monotonic() < deadline_s:
            progress.update(pushed_bar, completed=acknowledged())
            progress.update(predicted_bar, completed=predicted())
            time.sleep(0.1)
        for thread in threads:
            thread.join(max(0.1, deadline_s - time.monotonic()))
        progress.update(pushed_bar, completed=acknowledged())
        progress.update(predicted_bar, completed=predicted())


def _judge(
    connection: Connection,
    scenes: dict[str, Scene],
    predictions: dict[str, list[Prediction]],
    pushed: int,
    picture: Path,
) -> DemoResult:
    complaints = []
    agreement = Agreement()
    latencies_ms: list[float] = []
    for camera, found in predictions.items():
        if [prediction.sequence for prediction in found] != list(range(FRAMES)):
            complaints.append(f"{camera}: {len(found)} predictions, expected one for each of {FRAMES} frames, in order")
        for prediction in found:
            boxes, _, class_ids = _columns(prediction)
            agreement += agree(scenes[camera].frame(prediction.sequence)[1], boxes, class_ids)
            latencies_ms.append(prediction.latencies.end_to_end.ToNanoseconds() / 1e6)
    if min(agreement.recall, agreement.precision) < MUST_AGREE:
        complaints.append(f"recall {agreement.recall:.3f}, precision {agreement.precision:.3f}: expected {MUST_AGREE}")
    with Client(connection) as client:
        for status in client.cameras.status("demo=yes"):
            ledger = status.ledger
            parts = ledger.stored + ledger.sampled_out + sum(ledger.rejected.values()) + ledger.duplicates + ledger.gaps
            if ledger.captured != parts or ledger.gaps:
                complaints.append(f"{status.camera_id}: the ledger does not balance: {ledger}")
    last = predictions[CAMERAS[0]][-1:]
    for prediction in last:
        image = scenes[CAMERAS[0]].frame(prediction.sequence)[0]
        write_picture(picture, image, *_columns(prediction))
    median_ms = float(np.median(latencies_ms)) if latencies_ms else float("nan")
    return DemoResult(pushed, len(latencies_ms), agreement, median_ms, tuple(complaints))


def summary(result: DemoResult, picture: Path) -> Table:
    """The result as a table."""
    table = Table(show_header=False)
    table.add_row("frames acknowledged (on disk, on Kafka, in the ledger)", str(result.pushed))
    table.add_row("predictions, one per frame, in order", str(result.predicted))
    table.add_row("objects found, of all", f"{result.agreement.recall:.1%}")
    table.add_row("detections that are true", f"{result.agreement.precision:.1%}")
    table.add_row("from received to predicted, median", f"{result.median_latency_ms:.0f} ms")
    table.add_row("picture", str(picture))
    return table


def _columns(prediction: Prediction) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes float32 (N, 4), scores float32 (N,), class ids uint16 (N,)."""
    detections = prediction.detections
    return (
        np.frombuffer(detections.xyxy, "<f4").reshape(-1, 4),
        np.frombuffer(detections.score, "<f4"),
        np.frombuffer(detections.class_id, "<u2"),
    )


def _jpeg(image_rgb: np.ndarray) -> bytes:
    out = BytesIO()
    Image.fromarray(image_rgb).save(out, "JPEG", quality=90)
    return out.getvalue()


def _cvops(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cvops", *arguments]


def _environment(data: DataDir) -> dict[str, str]:
    """Ours, but for this platform and no other."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CVOPS_") or k == "CVOPS_CACHE_DIR"}
    return kept | {"CVOPS_DATA_DIR": str(data.path)}


def _free_port_base() -> int:
    """A port base with nothing listening above it, so that the demo runs beside a platform."""
    return next(base for base in range(17_100, 60_000, 100) if not taken(range(base, base + 100)))
