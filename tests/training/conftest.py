from pathlib import Path

import numpy as np
import pytest
import torch

from cvops_bundles.bundle import Bundle, open_bundle
from cvops_bundles.importing import import_onnx
from cvops_bundles.labels import read_labels
from cvops_bundles.options import ImportOptions, ModelFormat, usual_preprocessing, usual_resize
from cvops_bundles.write import write_bundle
from cvops_training.examples import Example
from cvops_training.recipe import Recipe

CLASSES = ("disc", "square")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def imported_yolox(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    models = shared_data / "models"
    options = ImportOptions(
        name="coco",
        format=ModelFormat.YOLOX,
        classes=read_labels(models / "coco_80.txt"),
        preprocessing=usual_preprocessing(ModelFormat.YOLOX),
        resize=usual_resize(ModelFormat.YOLOX),
    )
    parts = import_onnx(models / "yolox_nano.onnx", options)
    return open_bundle(write_bundle(parts, tmp_path_factory.mktemp("yolox")).path)


def drawn(recipe: Recipe, count: int, seed: int = 0, background: int = 90) -> list[Example]:
    """Pictures with bright discs and dark squares on grey noise."""
    rng = np.random.default_rng(seed)
    size = recipe.input_spec()
    rows, columns = np.mgrid[: size.height, : size.width]
    examples = []
    for number in range(count):
        picture = rng.normal(background, 8, (size.height, size.width, 3))
        boxes, ids = [], []
        for place in range(3):
            radius = int(rng.integers(14, 24))
            x = int((place + 0.5) * size.width / 3 + rng.integers(-10, 10))
            y = int(rng.integers(radius + 4, size.height - radius - 4))
            kind = int(rng.integers(2))
            near = np.hypot(rows - y, columns - x) if kind == 0 else np.maximum(abs(rows - y), abs(columns - x))
            picture[near <= radius] = (230, 220, 80) if kind == 0 else (20, 30, 40)
            boxes.append([x - radius, y - radius, x + radius, y + radius])
            ids.append(kind)
        examples.append(
            Example(
                np.clip(picture, 0, 255).astype(np.uint8),
                np.array(boxes, np.float32),
                np.array(ids, np.int64),
                np.zeros(len(ids), np.bool_),
                f"{seed}-{number}",
            )
        )
    return examples
