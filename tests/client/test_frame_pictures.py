"""Frames on pages: small, with their labels, within the page itself."""

import base64
import io
import re

import numpy as np
from PIL import Image

from cvops.episode_pictures import _of_each_reason
from cvops.frame_pictures import figure
from cvops_protos.v1.labeling_pb2 import Annotation, Task


def jpeg(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (40, 40, 40)).save(buffer, "JPEG")
    return buffer.getvalue()


def box(left: float, top: float, side: float, name: str, *, ignore: bool = False) -> Annotation:
    return Annotation(class_name=name, box=Annotation.Box(left=left, top=top, width=side, height=side), ignore=ignore)


def test_a_frame_is_shown_small_with_its_boxes():
    labels = [box(100, 100, 200, "car"), box(700, 100, 200, "car", ignore=True)]
    html = figure(jpeg(1280, 720), "gate-1: <random>", labels, ["car"])
    assert "gate-1: &lt;random&gt;" in html
    found = re.search(r"base64,([^\"]+)", html)
    assert found is not None
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))), int)
    assert picture.shape == (180, 320, 3)
    colourful = np.ptp(picture, axis=2) > 40
    assert colourful[25:75, 23:28].any()
    assert not colourful[:, 160:].any()
    assert (picture[25:75, 173:178].min(axis=(0, 1)) > 30).all()


def test_what_is_no_image_is_left_out():
    assert figure(b"no image", "gate-1") == ""


def test_frames_are_shown_of_each_reason_in_turn():
    reasons = ["uncertain"] * 20 + ["random"] * 2 + ["novel"]
    tasks = [Task(task_id=str(number), reason=reason) for number, reason in enumerate(reasons)]
    shown = [task.reason for task in _of_each_reason(tasks)]
    assert shown[:5] == ["uncertain", "random", "novel", "uncertain", "random"]
    assert len(shown) == 12
