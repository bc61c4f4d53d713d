"""Files that cannot be imported are refused, and the reason is the right one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cvops_bundles.importing import import_onnx
from cvops_bundles.onnx_file import read_onnx
from cvops_bundles.options import ImportOptions
from cvops_common.errors import BadBundle

FLOAT = TensorProto.FLOAT


def test_files_that_are_not_onnx_are_refused(tmp_path: Path, shared_data: Path):
    path = tmp_path / "model.onnx"
    for data, message in (
        (b"", "not an ONNX file, or empty"),
        (b"PK\x03\x04rest", "found a zip"),
        ((shared_data / "models/squeezenet_reference/fish.png").read_bytes(), "not an ONNX file"),
        (b"index,label\n0,cat\n", "not an ONNX file"),
    ):
        path.write_bytes(data)
        with pytest.raises(BadBundle, match=message):
            read_onnx(path)
    with pytest.raises(BadBundle, match=r"absent\.onnx: cannot be read"):
        read_onnx(tmp_path / "absent.onnx")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, shared_data: Path, share: float):
    data = (shared_data / "models/yolox_nano.onnx").read_bytes()
    path = tmp_path / "short.onnx"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BadBundle, match="truncated"):
        read_onnx(path)


def save_with_weights_apart(source: Path, path: Path) -> Path:
    """The model with its weights in `m.bin` beside it; only raw bytes can move there."""
    model = onnx.load(source)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
    path.parent.mkdir()
    onnx.save(model, path, save_as_external_data=True, location="m.bin", size_threshold=0)
    return path


def test_weights_in_another_file_are_taken_in_or_missed_by_name(
    tmp_path: Path, shared_data: Path, classifier_options: Callable[..., ImportOptions]
):
    path = save_with_weights_apart(shared_data / "models/mnist.onnx", tmp_path / "inside/m.onnx")
    options = classifier_options(tuple("0123456789"))
    taken_in = import_onnx(path, options)
    expected = import_onnx(shared_data / "models/mnist.onnx", options)
    assert np.array_equal(taken_in.parity.outputs["probabilities"], expected.parity.outputs["probabilities"])
    path.with_name("m.bin").unlink()
    with pytest.raises(BadBundle, match=r"its weights are in the file 'm\.bin', which is not in the same folder"):
        read_onnx(path)


def test_weights_outside_of_the_folder_are_not_read(tmp_path: Path, shared_data: Path):
    folder = save_with_weights_apart(shared_data / "models/mnist.onnx", tmp_path / "inside/m.onnx").parent
    shutil.move(folder / "m.bin", tmp_path / "m.bin")
    model = onnx.load(folder / "m.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../m.bin"
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BadBundle, match=r"'\.\./m\.bin', which is not in the same folder"):
        read_onnx(folder / "m.onnx")


def test_operators_of_a_private_domain_are_named(tmp_path: Path, save_onnx: Callable[..., Path]):
    nodes = [helper.make_node("Magic", ["pixels"], ["out"], domain="acme.vision")]
    values = [("pixels", FLOAT, [1, 3, 8, 8])], [("out", FLOAT, [1, 3])]
    path = save_onnx(tmp_path / "magic.onnx", nodes, *values, {}, domains=("acme.vision",))
    with pytest.raises(BadBundle, match=r"operators that onnxruntime does not have: \['acme.vision::Magic'\]"):
        read_onnx(path)


def test_an_opset_of_the_future_is_refused(
    tmp_path: Path, shared_data: Path, classifier_options: Callable[..., ImportOptions]
):
    model = onnx.load(shared_data / "models/mnist.onnx")
    model.opset_import[0].version = 99
    path = tmp_path / "future.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BadBundle, match="export"):
        import_onnx(path, classifier_options(tuple("0123456789")))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([("pixels", FLOAT, [1, 192])], r"expected \[N, 3, H, W\] or \[N, H, W, 3\].*found \[1, 192\]"),
        ([("pixels", FLOAT, [1, 4, 8, 8])], r"expected 3 or 1 channels .*found \[1, 4, 8, 8\]"),
        (
            [("pixels", TensorProto.INT64, [1, 3, 8, 8])],
            "expected float32, float16, float64 or uint8 images, found INT64",
        ),
        ([("pixels", FLOAT, [1, 3, 8, 8]), ("sizes", FLOAT, [1, 2])], "expected one input, the images, found 2"),
    ],
)
def test_an_input_that_is_no_image_is_refused(
    tmp_path: Path,
    save_onnx: Callable[..., Path],
    classifier_options: Callable[..., ImportOptions],
    inputs: list,
    message: str,
):
    nodes = [helper.make_node("Identity", ["pixels"], ["out"])]
    path = save_onnx(tmp_path / "m.onnx", nodes, inputs, [("out", *inputs[0][1:])], {})
    with pytest.raises(BadBundle, match=message):
        import_onnx(path, classifier_options(("a", "b")))
