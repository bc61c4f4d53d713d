"""Asking a model about an image, by the Open Inference Protocol v2."""

import json
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cvops.calls import Calls
from cvops.connection import Connection
from cvops.errors import ConnectionFailed, SourceError
from cvops_protos.v1 import open_inference_pb2 as pb
from cvops_protos.v1.open_inference_pb2_grpc import GRPCInferenceServiceStub

_READY_EVERY_S = 0.1
_DTYPES = {"FP32": "<f4", "INT32": "<i4", "UINT8": "u1"}


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model says of one image.

    Attributes:
        model: "name:version".
        xyxy: float32 (N, 4), absolute px of the image; a classifier has none.
        confidence: float32 (N,), falling.
        class_id: int32 (N,).
        class_names: N names.
        probabilities: float32 (C,) of a classifier; None for a detector.
        classes: all C class names of the model.
        embedding: float32 (D,), or None.
        latency_s: of the call, seen from here.
    """

    model: str
    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.int32]
    class_names: tuple[str, ...]
    probabilities: NDArray[np.float32] | None
    classes: tuple[str, ...]
    embedding: NDArray[np.float32] | None
    latency_s: float

    def __len__(self) -> int:
        """Number of boxes."""
        return len(self.confidence)


class Inference:
    """Models that answer apps."""

    def __init__(self, connection: Connection) -> None:
        self._call = Calls(connection, "inference", GRPCInferenceServiceStub)
        self._classes: dict[tuple[str, str], tuple[str, ...]] = {}

    def close(self) -> None:
        """Closes the connection."""
        self._call.close()

    def predict(
        self, image: str | Path | bytes | NDArray[np.uint8], model: str, *, threshold: float | None, camera_id: str
    ) -> Predictions:
        """Predicts; see `Client.predict`."""
        name, _, version = model.partition(":")
        request = pb.ModelInferRequest(model_name=name, model_version=version)
        data = _encoded(image)
        request.inputs.add(name="image", datatype="BYTES", shape=[1])
        request.raw_input_contents.append(len(data).to_bytes(4, "little") + data)
        if threshold is not None:
            request.parameters["score_threshold"].double_param = threshold
        if camera_id:
            request.parameters["camera_id"].string_param = camera_id
        began_s = time.perf_counter()
        answer = self._call("ModelInfer", request)
        latency_s = time.perf_counter() - began_s
        return _predictions(_arrays(answer), answer, self._class_names(name, answer.model_version), latency_s)

    def until_serving(self, name: str, version: str, patience_s: float) -> None:
        """Waits until inference has loaded a version.

        Raises:
            ConnectionFailed: it has not after `patience_s`; the log of inference says why.
        """
        until_s = time.monotonic() + patience_s
        while not self._serves(name, version):
            if time.monotonic() > until_s:
                raise ConnectionFailed(
                    f"{name}:{version} is released, and inference does not serve it after {patience_s:.0f} s: its log "
                    "says whether the bundle is still loading or was refused"
                )
            time.sleep(_READY_EVERY_S)

    def _serves(self, name: str, version: str) -> bool:
        try:
            return bool(self._call("ModelReady", pb.ModelReadyRequest(name=name, version=version)).ready)
        except ConnectionFailed:
            return False

    def _class_names(self, name: str, version: str) -> tuple[str, ...]:
        known = self._classes.get((name, version))
        if known is None:
            answer = self._call("ModelMetadata", pb.ModelMetadataRequest(name=name, version=version))
            known = self._classes[name, version] = tuple(json.loads(answer.properties["classes"]))
        return known


def _encoded(image: str | Path | bytes | NDArray[np.uint8]) -> bytes:
    if isinstance(image, bytes):
        return image
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise SourceError(f"image is {image.dtype} {image.shape}, expected uint8 (H, W, 3) in RGB order")
        out = BytesIO()
        Image.fromarray(image).save(out, "PNG", compress_level=1)
        return out.getvalue()
    try:
        return Path(image).read_bytes()
    except OSError as error:
        raise SourceError(f"image {image} cannot be read: {error.strerror}; is the path right?") from error


def _arrays(answer: pb.ModelInferResponse) -> dict[str, NDArray[Any]]:
    return {
        output.name: np.frombuffer(raw, _DTYPES[output.datatype]).reshape(list(output.shape))
        for output, raw in zip(answer.outputs, answer.raw_output_contents, strict=True)
    }


def _predictions(
    arrays: dict[str, NDArray[Any]], answer: pb.ModelInferResponse, classes: tuple[str, ...], latency_s: float
) -> Predictions:
    class_id = arrays.get("class_ids", np.empty(0, np.int32))
    probabilities, embedding = arrays.get("probabilities"), arrays.get("embedding")
    return Predictions(
        model=f"{answer.model_name}:{answer.model_version}",
        xyxy=arrays.get("boxes", np.empty((0, 4), np.float32)),
        confidence=arrays.get("scores", np.empty(0, np.float32)),
        class_id=class_id,
        class_names=tuple(classes[number] for number in class_id),
        probabilities=None if probabilities is None else probabilities[0],
        classes=classes,
        embedding=None if embedding is None else embedding[0],
        latency_s=latency_s,
    )
