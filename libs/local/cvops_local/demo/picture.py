"""A picture of what was seen: the image with its boxes drawn in."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cvops_local.demo.scene import CLASSES


def write_picture(
    path: Path,
    image_rgb: NDArray[np.uint8],
    boxes_xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    class_ids: NDArray[np.integer],
    zoom: int = 3,
) -> None:
    """Writes a PNG, `zoom` times as large as the image, with a labelled box around each detection.

    Args:
        path: of the PNG.
        image_rgb: uint8 (H, W, 3).
        boxes_xyxy: (N, 4) absolute px.
        scores: (N,).
        class_ids: (N,), index into the classes of the scene.
        zoom: enlargement, so that the labels can be read.
    """
    height, width = image_rgb.shape[:2]
    picture = Image.fromarray(image_rgb).resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(picture)
    for box, score, class_id in zip(boxes_xyxy, scores, class_ids, strict=True):
        left, top, right, bottom = (float(value) * zoom for value in box)
        draw.rectangle((left, top, right, bottom), outline="yellow", width=zoom)
        draw.text((left, max(0.0, top - 12)), f"{CLASSES[int(class_id)]} {float(score):.2f}", fill="yellow")
    picture.save(path, format="PNG")
