"""Bundles of real models, imported once for the run, and makers of small ones."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cvops_bundles.bundle import Bundle, open_bundle
from cvops_bundles.importing import import_onnx
from cvops_bundles.labels import read_labels
from cvops_bundles.options import Channels, ImportOptions, ModelFormat, Preprocessing, usual_preprocessing, usual_resize
from cvops_bundles.write import BundleParts, write_bundle
from tests import small_models

DIGITS = tuple("0123456789")


def _classifier_options(classes: tuple[str, ...], channels: Channels = Channels.RGB) -> ImportOptions:
    """The usual options of a classifier whose pixels stay 0..255."""
    return ImportOptions(
        name="classifier",
        format=ModelFormat.CLASSIFIER,
        classes=classes,
        preprocessing=Preprocessing(channels=channels),
        resize=usual_resize(ModelFormat.CLASSIFIER),
    )


@pytest.fixture(scope="session")
def yolox_options(shared_data: Path) -> ImportOptions:
    return ImportOptions(
        name="road",
        format=ModelFormat.YOLOX,
        classes=read_labels(shared_data / "models/coco_80.txt"),
        preprocessing=usual_preprocessing(ModelFormat.YOLOX),
        resize=usual_resize(ModelFormat.YOLOX),
    )


@pytest.fixture(scope="session")
def yolox(shared_data: Path, yolox_options: ImportOptions, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    parts = import_onnx(shared_data / "models/yolox_nano.onnx", yolox_options)
    written = write_bundle(parts, tmp_path_factory.mktemp("yolox"))
    return open_bundle(written.path, written.sha256)


@pytest.fixture(scope="session")
def mnist_parts(shared_data: Path) -> BundleParts:
    return import_onnx(shared_data / "models/mnist.onnx", _classifier_options(DIGITS))


@pytest.fixture(scope="session")
def mnist(mnist_parts: BundleParts, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    written = write_bundle(mnist_parts, tmp_path_factory.mktemp("mnist"))
    return open_bundle(written.path, written.sha256)


@pytest.fixture(scope="session")
def classifier_options() -> Callable[..., ImportOptions]:
    return _classifier_options


@pytest.fixture(scope="session")
def save_onnx() -> Callable[..., Path]:
    return small_models.save_onnx


@pytest.fixture(scope="session")
def blob_detector() -> Callable[..., Path]:
    return small_models.blob_detector
