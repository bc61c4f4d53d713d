"""YOLOX-nano, fine-tuned: five folds of forks and scissors, and a fixed camera whose pictures change."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cvops_bundles.bundle import Bundle, open_bundle
from cvops_bundles.importing import import_onnx
from cvops_bundles.labels import read_labels
from cvops_bundles.options import ImportOptions, ModelFormat, usual_preprocessing, usual_resize
from cvops_bundles.write import write_bundle
from cvops_datasets.coco import read_coco
from cvops_datasets.files import FileImage
from cvops_datasets.images import Box, LabelledImage
from cvops_training.evaluation import correct, evaluate
from cvops_training.examples import Example, example_of
from cvops_training.fit import Data, HeldOut, Order, train_candidate
from cvops_training.predict import bundle_forward, predict
from cvops_training.recipe import Found, Recipe, recipe_of
from cvops_vision.nms import nms
from tests.bench.table import markdown
from tests.e2e.whole_platform import REFERENCE_DATA

Picture = NDArray[np.uint8]
_RECIPE = recipe_of("yolox")
_CLOSE_UP = _RECIPE.sized(320)
"""Things that fill the picture are found better in a smaller one."""
_FOLDS = 5
_THINGS = ("fork", "scissors")
_VEHICLES = ("car", "bus", "truck")
_THRESHOLD = 0.35


def main() -> str:
    """Both tables."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="cvops-bench-yolox-") as scratch:
        base = _imported(Path(scratch))
        return "\n".join([_forks(base, Path(scratch)), _road(base, Path(scratch))])


def _imported(folder: Path) -> Bundle:
    models = REFERENCE_DATA / "models"
    options = ImportOptions(
        name="coco",
        format=ModelFormat.YOLOX,
        classes=read_labels(models / "coco_80.txt"),
        preprocessing=usual_preprocessing(ModelFormat.YOLOX),
        resize=usual_resize(ModelFormat.YOLOX),
    )
    return open_bundle(write_bundle(import_onnx(models / "yolox_nano.onnx", options), folder).path)


def _trained(
    base: Bundle, data: Data, classes: tuple[str, ...], folder: Path, recipe: Recipe = _RECIPE
) -> tuple[Bundle, float]:
    """A fine-tune with the recipe's defaults, and its CPU time in s."""
    folder.mkdir()
    order = Order(recipe, recipe.defaults(fine_tune=True), classes, "bench", base, with_monitor=False)
    candidate = train_candidate(order, data, folder)
    return open_bundle(candidate.bundle), candidate.cpu_s


def _found(bundle: Bundle, examples: Sequence[Example], classes: Sequence[str], least: float = 0.01) -> list[Found]:
    """Detections with weak ones, by the class ids of `classes`."""
    assert bundle.spec.detection is not None
    detection = replace(bundle.spec.detection, score_threshold=least)
    ids = np.array([classes.index(name) if name in classes else -1 for name in bundle.spec.classes], np.int64)
    out = []
    for one in predict(bundle_forward(bundle), examples, detection)[0]:
        kept = ids[one.class_ids] >= 0
        out.append(Found(one.boxes[kept], one.scores[kept], ids[one.class_ids[kept]]))
    return out


# -- forks and scissors ----------------------------------------------------------------------------------------


def _forks(base: Bundle, scratch: Path) -> str:
    folder = REFERENCE_DATA / "labelled" / "fork_scissors"
    images = list(read_coco(folder / "instances.json").images)
    usual, examples = (
        [
            example_of(_read(folder / "images" / each.file_name), _label_of(each), _THINGS, recipe.input_spec())
            for each in images
        ]
        for recipe in (_RECIPE, _CLOSE_UP)
    )
    fold = {number: rank % _FOLDS for kind in (0, 1) for rank, number in enumerate(_of_kind(examples, kind))}
    before: dict[int, Found] = {}
    after: dict[int, Found] = {}
    cpu_s = 0.0
    for number in range(_FOLDS):
        held = [at for at in range(len(examples)) if fold[at] == number]
        learned = [examples[at] for at in range(len(examples)) if fold[at] != number]
        test, usual_test = ([some[at] for at in held] for some in (examples, usual))
        data = Data(learned, [], test, [], champion=HeldOut(usual_test, []))
        bundle, took_s = _trained(base, data, _THINGS, scratch / f"fold-{number}", _CLOSE_UP)
        cpu_s += took_s
        before |= dict(zip(held, _found(base, usual_test, _THINGS), strict=True))
        after |= dict(zip(held, _found(bundle, test, _THINGS), strict=True))
    rows = []
    for name, some, found in (
        ("imported, 416 px", usual, before),
        ("fine-tuned for 320 px, held out", examples, after),
    ):
        result = evaluate(some, [found[at] for at in range(len(some))], _THINGS)
        rows.append([name, f"{result.map:.3f}", f"{result.map50:.3f}"])
    rows[1].append(f"{cpu_s / _FOLDS:.0f}")
    return markdown(
        "YOLOX-nano on forks and scissors: 20 images, 5 folds",
        ["", "AP", "AP50", "CPU-s a fold"],
        [[*rows[0], "-"], rows[1]],
    )


def _label_of(image: FileImage) -> LabelledImage:
    return _labelled(image.file_name, image.width, image.height, image.boxes)


def _labelled(name: str, width: int, height: int, boxes: tuple[Box, ...] = ()) -> LabelledImage:
    return LabelledImage(name, "bench", datetime.fromtimestamp(0, UTC), "", "", width, height, boxes=boxes)


def _of_kind(examples: Sequence[Example], kind: int) -> list[int]:
    return [number for number, example in enumerate(examples) if example.class_ids[0] == kind]


def _read(path: Path) -> Picture:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB), np.uint8)


# -- a road ----------------------------------------------------------------------------------------------------


def _fog(picture: Picture, seed: int) -> Picture:
    return _clipped(picture * 0.15 + 235 * 0.85)


def _noise(picture: Picture, seed: int) -> Picture:
    return _clipped(picture + np.random.default_rng(seed).normal(0, 50, picture.shape))


def _night(picture: Picture, seed: int) -> Picture:
    dark = (picture / 255.0) ** 3 * 255 * 0.45
    return _clipped(dark + np.random.default_rng(seed).normal(0, 6, picture.shape))


def _blur(picture: Picture, seed: int) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 2.5), np.uint8)


def _clipped(values: NDArray[np.floating[Any]]) -> Picture:
    return np.clip(values, 0, 255).astype(np.uint8)


_CHANGES: dict[str, Callable[[Picture, int], Picture]] = {
    "fog": _fog, "noise": _noise, "night": _night, "blur": _blur,
}  # fmt: skip


def _road(base: Bundle, scratch: Path) -> str:
    frames = _frames(REFERENCE_DATA / "videos" / "traffic_road_a.mp4")
    learned, held = range(0, 440, 5), range(520, 850, 6)
    truth = _truth(base, frames, [*learned, *held])

    def example(number: int, change: Callable[[Picture, int], Picture] | None) -> Example:
        picture = frames[number] if change is None else change(frames[number], number)
        plain = truth[number]
        return replace(plain, picture=_plain(picture, number).picture)

    chosen = [learned[round(at)] for at in np.linspace(0, len(learned) - 1, 20)]
    replayed = [learned[round(at)] for at in np.linspace(0, len(learned) - 1, 10)]
    clean_test = [example(number, None) for number in held]
    rows = []
    for name, change in _CHANGES.items():
        changed_test = [example(number, change) for number in held]
        data = Data(
            [example(number, change) for number in chosen],
            [example(number, None) for number in replayed],
            changed_test,
            [],
        )
        bundle, cpu_s = _trained(base, data, ("car",), scratch / name)
        before = _recall(changed_test, _vehicles(base, changed_test))
        after = _recall(changed_test, _vehicles(bundle, changed_test))
        clean = [_recall(clean_test, _vehicles(each, clean_test)) for each in (base, bundle)]
        rows.append([name, f"{before:.3f}", f"{after:.3f}", f"{clean[0]:.3f}", f"{clean[1]:.3f}", f"{cpu_s:.0f}"])
    return markdown(
        f"YOLOX-nano on a road whose pictures change: 20 labelled frames, recall at score {_THRESHOLD} on later time",
        ["change", "before", "after", "clean before", "clean after", "CPU-s"],
        rows,
    )


def _frames(path: Path) -> list[Picture]:
    capture, frames = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        frames.append(np.asarray(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), np.uint8))
    return frames


def _truth(base: Bundle, frames: Sequence[Picture], numbers: Sequence[int]) -> dict[int, Example]:
    """What the imported model sees in clean frames, as labels of one class."""
    empty = [_plain(frames[number], number) for number in numbers]
    found = _vehicles(base, empty, 0.4)
    return {
        number: replace(
            each,
            boxes=one.boxes,
            class_ids=np.zeros(len(one.boxes), np.int64),
            ignore=np.zeros(len(one.boxes), np.bool_),
        )
        for number, each, one in zip(numbers, empty, found, strict=True)
    }


def _plain(picture: Picture, number: int) -> Example:
    label = _labelled(str(number), picture.shape[1], picture.shape[0])
    return example_of(picture, label, ("car",), _RECIPE.input_spec())


def _vehicles(bundle: Bundle, examples: Sequence[Example], least: float = 0.05) -> list[Found]:
    """Detections of anything that drives, as one class, without doubles."""
    names = _VEHICLES if "bus" in bundle.spec.classes else ("car",)
    out = []
    for one in _found(bundle, examples, names, least):
        kept = nms(one.boxes, one.scores, 0.6, None)
        out.append(Found(one.boxes[kept], one.scores[kept], np.zeros(len(kept), np.int64)))
    return out


def _recall(examples: Sequence[Example], found: Sequence[Found]) -> float:
    hits = objects = 0
    for example, one in zip(examples, found, strict=True):
        strong = one.scores >= _THRESHOLD
        hits += int((correct(example, Found(one.boxes[strong], one.scores[strong], one.class_ids[strong])) == 1).sum())
        objects += len(example.boxes)
    return hits / max(objects, 1)
