"""Classifiers: real ones against published outputs and labels, small ones for the ways an export can differ."""

import csv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper

from cvops_bundles.bundle import Bundle
from cvops_bundles.importing import import_onnx
from cvops_bundles.labels import read_labels
from cvops_bundles.options import Activation, Channels, ImportOptions
from cvops_bundles.session import open_session, run_of
from cvops_bundles.write import BundleParts
from cvops_common.errors import BadBundle
from cvops_vision.letterbox import fill

FLOAT = TensorProto.FLOAT


def read_rgb(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def squeezenet(shared_data: Path, classifier_options: Callable[..., ImportOptions]):
    labels = read_labels(shared_data / "models/imagenet_1000.csv")
    path = shared_data / "models/squeezenet_fp16.onnx"
    return {order: import_onnx(path, classifier_options(labels, order)) for order in Channels}


@pytest.fixture(scope="module")
def fish(shared_data: Path) -> np.ndarray:
    slot = np.empty((1, 224, 224, 3), np.uint8)
    picture = read_rgb(shared_data / "models/squeezenet_reference/fish.png")
    assert picture.shape == slot.shape[1:]
    slot[0] = picture
    return slot


def test_squeezenet_in_bgr_gives_the_published_probabilities(
    squeezenet: dict[Channels, BundleParts], fish: np.ndarray, shared_data: Path
):
    parts = squeezenet[Channels.BGR]
    found = run_of(open_session(parts.model))(fish)["probabilities"][0]
    with (shared_data / "models/squeezenet_reference/Squeezenet_fp16_fish_input_CPU.csv").open() as file:
        expected = np.array([float(row["Value"]) for row in csv.DictReader(file)])
    assert np.abs(found - expected).max() < 1e-3
    assert parts.spec.classes[int(found.argmax())] == "tench, Tinca tinca"


def test_squeezenet_in_rgb_sees_another_fish(squeezenet: dict[Channels, BundleParts], fish: np.ndarray):
    parts = squeezenet[Channels.RGB]
    best = int(run_of(open_session(parts.model))(fish)["probabilities"][0].argmax())
    assert "barracouta" in parts.spec.classes[best]


def test_squeezenet_names_what_the_labelled_images_show(squeezenet: dict[Channels, BundleParts], shared_data: Path):
    parts = squeezenet[Channels.BGR]
    run = run_of(open_session(parts.model))
    for name, index in (("coffee.jpg", 967), ("chelsea.jpg", 285)):
        slot = np.empty((1, 224, 224, 3), np.uint8)
        fill(read_rgb(shared_data / "labelled/imagenet_samples" / name), slot[0], parts.spec.input.resize)
        assert int(run(slot)["probabilities"][0].argmax()) == index


def test_probabilities_are_not_softened_twice_and_wide_features_are_projected(squeezenet: dict[Channels, BundleParts]):
    spec = squeezenet[Channels.BGR].spec
    assert spec.source.preprocessing["head_activation"] == "none (values sum to 1)"
    assert (spec.embedding.tensor, spec.embedding.projected_from, spec.embedding.dim) == ("fire9/concat_2", 512, 256)
    assert spec.max_batch is None


def test_mnist_reads_digits_from_colour_images(mnist: Bundle, shared_data: Path):
    paths = sorted((shared_data / "labelled/digits_cls").glob("*/*.png"))
    slots = np.empty((len(paths), 28, 28, 3), np.uint8)
    for path, slot in zip(paths, slots, strict=True):
        fill(read_rgb(path), slot, mnist.spec.input.resize)
    outputs = run_of(open_session(mnist.model_bytes()))(slots)
    truth = np.array([int(path.parent.name) for path in paths])
    assert len(paths) == 300
    assert np.mean(outputs["probabilities"].argmax(axis=1) == truth) >= 0.9
    assert np.allclose(outputs["probabilities"].sum(axis=1), 1, atol=1e-5)
    assert mnist.spec.source.preprocessing["channels"] == "grey"


def tiny_classifier(
    save_onnx: Callable[..., Path],
    path: Path,
    *,
    opset: int = 18,
    shape: tuple = (1, 3, 8, 8),
    end: tuple = (),
    flat: tuple = (1, 192),
):
    """Flatten, one layer, and what `end` adds; 3 classes."""
    rng = np.random.default_rng(3)
    nodes = [
        helper.make_node("Reshape", ["pixels", "flat"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weights"], ["logits"]),
        *end,
    ]
    weights = {"flat": np.array(flat, np.int64), "weights": rng.normal(0, 0.01, (192, 3)).astype(np.float32)}
    output = end[-1].output[0] if end else "logits"
    return save_onnx(path, nodes, [("pixels", FLOAT, list(shape))], [(output, FLOAT, [shape[0], 3])], weights, opset)


def test_mean_and_std_are_applied_as_torchvision_does(
    tmp_path: Path, save_onnx: Callable[..., Path], classifier_options: Callable[..., ImportOptions]
):
    path = tiny_classifier(save_onnx, tmp_path / "tiny.onnx")
    pixels = type(classifier_options(("a",)).preprocessing)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    options = classifier_options(("a", "b", "c"))
    options = type(options)(
        name="tiny",
        format=options.format,
        classes=options.classes,
        preprocessing=pixels(Channels.RGB, 1 / 255, mean, std),
    )
    parts = import_onnx(path, options)
    image = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    weights = np.random.default_rng(3).normal(0, 0.01, (192, 3)).astype(np.float32)
    logits = ((image / 255 - mean) / std).transpose(0, 3, 1, 2).reshape(2, -1) @ weights
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.abs(run_of(open_session(parts.model))(image)["probabilities"] - expected).max() < 1e-6


def test_an_input_with_the_channels_last_and_no_size_is_understood(
    tmp_path: Path, save_onnx: Callable[..., Path], classifier_options: Callable[..., ImportOptions]
):
    path = tiny_classifier(save_onnx, tmp_path / "tiny.onnx", shape=("n", "h", "w", 3), flat=(0, -1))
    options = classifier_options(("a", "b", "c"))
    with pytest.raises(BadBundle, match="its width is not fixed; say the size"):
        import_onnx(path, options)
    sized = type(options)(name="tiny", format=options.format, classes=options.classes, size_wh=(16, 4))
    assert import_onnx(path, sized).spec.input.network_wh == (16, 4)


def test_a_graph_that_cannot_take_batches_is_said_to_take_one_image(
    tmp_path: Path, save_onnx: Callable[..., Path], classifier_options: Callable[..., ImportOptions]
):
    mixing = (
        helper.make_node("ReduceMean", ["logits", "first"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["logits", "mean"], ["mixed"]),
    )
    path = tmp_path / "mixing.onnx"
    rng = np.random.default_rng(3)
    weights = {
        "flat": np.array([1, 192], np.int64),
        "first": np.array([0], np.int64),
        "weights": rng.normal(0, 0.01, (192, 3)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Reshape", ["pixels", "flat"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weights"], ["logits"]),
        *mixing,
    ]
    save_onnx(path, nodes, [("pixels", FLOAT, [1, 3, 8, 8])], [("mixed", FLOAT, [1, 3])], weights)
    parts = import_onnx(path, classifier_options(("a", "b", "c")))
    assert parts.spec.max_batch == 1
    run = run_of(open_session(parts.model))
    assert run(np.zeros((1, 8, 8, 3), np.uint8))["probabilities"].shape == (1, 3)
    with pytest.raises(BadBundle, match="cannot run 2 images"):
        run(np.zeros((2, 8, 8, 3), np.uint8))


def test_a_graph_for_eight_images_is_freed_of_that(
    tmp_path: Path, save_onnx: Callable[..., Path], classifier_options: Callable[..., ImportOptions]
):
    path = tiny_classifier(save_onnx, tmp_path / "eight.onnx", shape=(8, 3, 8, 8), flat=(8, 192))
    parts = import_onnx(path, classifier_options(("a", "b", "c")))
    assert parts.spec.max_batch is None
    assert run_of(open_session(parts.model))(np.zeros((3, 8, 8, 3), np.uint8))["probabilities"].shape == (3, 3)


def test_values_that_can_be_anything_must_be_explained(
    tmp_path: Path, save_onnx: Callable[..., Path], classifier_options: Callable[..., ImportOptions]
):
    sigmoid = (helper.make_node("Sigmoid", ["logits"], ["several"]),)
    path = tiny_classifier(save_onnx, tmp_path / "several.onnx", end=sigmoid)
    options = classifier_options(("a", "b", "c"))
    with pytest.raises(BadBundle, match="say which with --activation softmax or none"):
        import_onnx(path, options)
    told = type(options)(name="x", format=options.format, classes=options.classes, activation=Activation.NONE)
    assert import_onnx(path, told).spec.source.preprocessing["head_activation"] == "none (as wished)"


def test_a_wished_tensor_becomes_the_embedding_and_a_wrong_one_is_refused(
    shared_data: Path, classifier_options: Callable[..., ImportOptions]
):
    path, options = shared_data / "models/mnist.onnx", classifier_options(tuple("0123456789"))

    def wishing(tensor: str):
        return type(options)(name="x", format=options.format, classes=options.classes, embedding=tensor)

    spec = import_onnx(path, wishing("ReLU32_Output_0")).spec
    assert (spec.embedding.dim, spec.embedding.tensor) == (8, "ReLU32_Output_0")
    assert import_onnx(path, wishing("none")).spec.embedding is None
    with pytest.raises(BadBundle, match="no tensor 'Parameter5' that depends on the image"):
        import_onnx(path, wishing("Parameter5"))


def test_the_number_of_labels_must_be_that_of_the_classes(
    shared_data: Path, classifier_options: Callable[..., ImportOptions]
):
    with pytest.raises(
        BadBundle, match=r"expected an output \[N, 2\] for the 2 labels, found Plus214_Output_0 .*\[1, 10\]"
    ):
        import_onnx(shared_data / "models/mnist.onnx", classifier_options(("a", "b")))
