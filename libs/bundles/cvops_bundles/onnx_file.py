"""Reads a foreign ONNX file and brings it to a form that can be extended, or says why not."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx
from google.protobuf.message import DecodeError, Error
from onnx import version_converter
from onnx.external_data_helper import load_external_data_for_model, uses_external_data

from cvops_bundles.archive import MAX_MEMBER_BYTES, MODEL
from cvops_bundles.session import first_line
from cvops_common.errors import BadBundle

OPSET: Final = 18
"""Graphs of an older opset are converted to this one, newer ones stay as they are."""

_KNOWN_DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
_PREFIX: Final = "model/"


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A foreign model, read and converted.

    Attributes:
        model: all its names begin with `model/`, so that new nodes cannot collide; weights are inside.
        sha256: of the file, hex.
        producer: the program that wrote it.
        original_opset: of the file.
    """

    model: onnx.ModelProto
    sha256: str
    producer: str
    original_opset: int

    @property
    def opset(self) -> int:
        """Of the converted model."""
        return _opset(self.model)


def read_onnx(path: Path) -> OnnxFile:
    """Reads, checks and converts an ONNX file; external data beside it is taken in.

    Raises:
        BadBundle: not ONNX, truncated, external data is missing, an operator is not standard, or the opset cannot be
            converted.
    """
    data = _read_bytes(path)
    model = _parse(path, data)
    _check_domains(path, model)
    _load_external(path, model)
    if model.ByteSize() > MAX_MEMBER_BYTES[MODEL]:
        raise BadBundle(f"{path.name}: {model.ByteSize()} bytes; ONNX with its weights inside holds at most 2 GiB")
    # Version 3 of the file format would demand that all weights are inputs.
    model.ir_version = max(model.ir_version, 8)
    _drop_weights_from_inputs(model)
    original = _opset(model)
    try:
        onnx.checker.check_model(model)
        if original < OPSET:
            model = version_converter.convert_version(model, OPSET)
    except Exception as error:  # the checker and the converter raise RuntimeError, ValidationError and others
        raise BadBundle(
            f"{path.name}: the graph is not valid, or opset {original} cannot be converted to {OPSET} "
            f"({first_line(error)}); export the model again with opset {OPSET}"
        ) from error
    del model.graph.value_info[:]
    model = onnx.compose.add_prefix(model, _PREFIX)
    return OnnxFile(model, hashlib.sha256(data).hexdigest(), model.producer_name, original)


def inner_name(name: str) -> str:
    """The name that a tensor of the file has after reading."""
    return _PREFIX + name


def outer_name(name: str) -> str:
    """The name in the file of a tensor that was read."""
    return name.removeprefix(_PREFIX)


def _read_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_MEMBER_BYTES[MODEL]:
            raise BadBundle(f"{path.name}: expected at most 2 GiB, found {path.stat().st_size} bytes")
        return path.read_bytes()
    except OSError as error:
        raise BadBundle(f"{path.name}: cannot be read ({error.strerror}); is the path right?") from error


def _parse(path: Path, data: bytes) -> onnx.ModelProto:
    if data[:4] == b"PK\x03\x04":
        raise BadBundle(f"{path.name}: expected ONNX, found a zip (a PyTorch checkpoint?); export to ONNX first")
    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, Error, ValueError) as error:
        raise BadBundle(f"{path.name}: not an ONNX file, or truncated ({error}); copy or export it again") from error
    if not model.opset_import or not model.graph.node:
        raise BadBundle(f"{path.name}: not an ONNX file, or empty: no opset or no nodes; export to ONNX first")
    return model


def _check_domains(path: Path, model: onnx.ModelProto) -> None:
    own = {function.domain for function in model.functions}
    foreign = sorted(
        {f"{node.domain}::{node.op_type}" for node in model.graph.node if node.domain not in _KNOWN_DOMAINS | own}
    )
    if foreign:
        raise BadBundle(
            f"{path.name}: needs operators that onnxruntime does not have: {foreign[:5]}; "
            "export the model with standard operators only"
        )


def _load_external(path: Path, model: onnx.ModelProto) -> None:
    names = {
        entry.value
        for tensor in model.graph.initializer
        if uses_external_data(tensor)
        for entry in tensor.external_data
        if entry.key == "location"
    }
    folder = path.resolve().parent
    for name in sorted(names):
        file = (folder / name).resolve()
        if not file.is_relative_to(folder) or not file.is_file():
            raise BadBundle(
                f"{path.name}: its weights are in the file {name!r}, which is not in the same folder; put it there, "
                "or export with the weights inside"
            )
    try:
        load_external_data_for_model(model, str(folder))
    except Exception as error:  # RuntimeError, ValidationError and OSError
        raise BadBundle(f"{path.name}: external data cannot be read ({first_line(error)}); copy it again") from error


def _drop_weights_from_inputs(model: onnx.ModelProto) -> None:
    weights = {tensor.name for tensor in model.graph.initializer}
    kept = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(kept)


def _opset(model: onnx.ModelProto) -> int:
    return next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 0)
