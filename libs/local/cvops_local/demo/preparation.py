"""What a team has before the demo begins: a champion, a project, and labelled frames of fair weather."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2

from cvops import Client
from cvops_local.demo.story import CLASSES, RENAMED
from cvops_protos.v1.labeling_pb2 import Annotation
from cvops_sim.fleet import Mounted
from cvops_sim.oracle import annotations_of
from cvops_sim.stills import stills

PROJECT = "default"
_TRAIN, _TEST = 200, 60
_SEED = 41
_QUALITY = 90
_YAML = """\
project: default
task: detect
classes: [{classes}]
edge_cases: {{budget_frames: 140, budget_boxes: 3000, random_share: 0.25, duplicate_bits: 0, lease_s: 60}}
drift: {{false_alarm_days: 30}}
training: {{recipe: detector-tiny}}
release: {{shadow_frames: 40, canary_share: 0.5, canary_frames: 40, stage_timeout_s: 120}}
alerts: {{pending_s: 3, group_s: 60}}
loop: {{enabled: true, settle_s: 38, timeout_s: 600}}
"""


@dataclass(frozen=True)
class FairWeather:
    """One labelled frame.

    Attributes:
        file_name: of the image.
        image: JPEG.
        annotations: what is in it.
        split: "train" or "test".
        camera_id: whose frame.
        captured_at: aware.
    """

    file_name: str
    image: bytes
    annotations: list[Annotation]
    split: str
    camera_id: str
    captured_at: datetime


def project_file(folder: Path) -> Path:
    """Writes the project of the demo, the file that `cvops apply -f` reads."""
    path = folder / "project.yaml"
    path.write_text(_YAML.format(classes=", ".join(CLASSES)))
    return path


def fair_weather(cameras: tuple[Mounted, ...], hour: float) -> Iterator[FairWeather]:
    """Labelled frames of the fleet on other days: what the champion's team has collected."""
    for number, frame in enumerate(stills(cameras, _TRAIN + _TEST, seed=_SEED, hours=(hour,))):
        truth = frame.truth
        _, data = cv2.imencode(".jpg", frame.picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        yield FairWeather(
            file_name=f"{truth.camera_id}-{truth.sequence}.jpg",
            image=data.tobytes(),
            annotations=annotations_of(truth, CLASSES, RENAMED),
            # Moments of the simulator are days apart, so that any split keeps them apart.
            split="train" if number < _TRAIN else "test",
            camera_id=truth.camera_id,
            captured_at=datetime.fromtimestamp(truth.captured_at_ns / 1e9, UTC),
        )


def serve_champion(client: Client, bundle: Path) -> str:
    """Uploads and releases the champion; "name:version"."""
    version = client.upload_bundle(bundle)
    reference = f"{version.name}:{version.version}"
    client.models.release(reference, project=PROJECT, reason="the champion of the demo")
    return reference
