"""A detector that is trained in seconds, and the pictures that it knows: red and blue discs on grey noise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CLASSES = ("red", "blue")
WIDTH, HEIGHT = 320, 192
_COLOURS = ((220, 40, 40), (40, 40, 220))


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture, uint8 (HEIGHT, WIDTH, 3) RGB, its boxes, float32 (N, 4) xyxy px, and their classes, int64 (N,)."""

    picture: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]


def draw(rng: np.random.Generator) -> Drawn:
    """Three discs; only their colour tells of which class they are."""
    picture = rng.normal(100, 6, (HEIGHT, WIDTH, 3))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    boxes, kinds = [], []
    for place in range(3):
        radius, kind = int(rng.integers(14, 22)), int(rng.integers(2))
        x, y = 55 + 105 * place + int(rng.integers(-12, 12)), int(rng.integers(30, HEIGHT - 30))
        picture[np.hypot(rows - y, columns - x) <= radius] = _COLOURS[kind]
        boxes.append([x - radius, y - radius, x + radius, y + radius])
        kinds.append(kind)
    return Drawn(np.clip(picture, 0, 255).astype(np.uint8), np.array(boxes, np.float32), np.array(kinds, np.int64))


def train_tiny(folder: Path) -> Path:
    """The bundle of a detector-tiny that knows them fairly well, with a monitor that knows little."""
    from cvops_training import loop
    from cvops_training.export import Identity, to_onnx, write
    from cvops_training.monitor import train_monitor
    from cvops_training.recipe import recipe_of

    recipe = recipe_of("detector-tiny")
    params = replace(recipe.defaults(fine_tune=False), steps=70, batch=8)
    examples = examples_of([draw(np.random.default_rng(number)) for number in range(48)])
    trained = loop.train(recipe, params, new=examples, replay=[], classes=len(CLASSES), base=None)
    pictures = [example.picture for example in examples]
    monitor, _ = train_monitor(pictures, seed=0, steps=2)
    return write(
        recipe,
        trained.model,
        Identity("discs", CLASSES),
        temperature=1.0,
        pictures=pictures,
        monitor=to_onnx(monitor, (HEIGHT, WIDTH), ("outlier_score",)),
        reference=None,
        folder=folder,
    ).path


def examples_of(drawn: Sequence[Drawn], slices: tuple[str, ...] = ()) -> list:
    """As a training sees them."""
    from cvops_training.examples import Example

    return [
        Example(one.picture, one.boxes, one.class_ids, np.zeros(len(one.boxes), np.bool_), str(number), slices=slices)
        for number, one in enumerate(drawn)
    ]
