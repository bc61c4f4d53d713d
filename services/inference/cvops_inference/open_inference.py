"""The Open Inference Protocol v2, free of transport: gRPC and REST are adapters over it."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version as installed_version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvops_common.errors import BadArgument, NotFound, NotReady
from cvops_common.ids import check_camera_id
from cvops_inference.app_calls import RPC_CAMERA, AppCalls, Call
from cvops_inference.assignment import Serving
from cvops_inference.engine import Engine
from cvops_inference.image import Encoded, Image, Pixels
from cvops_inference.metrics import PREDICTIONS
from cvops_inference.models import Models
from cvops_inference.result import Result
from cvops_vision.probe import ImageLimits, probe

INPUT = "image"
PLATFORM = "onnxruntime_cvops"


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Name, datatype of the protocol and shape (-1: any) of an input or output."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is told of a model."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One call.

    Attributes:
        model: its name.
        version: empty: any that serves.
        id: given back.
        images: encoded images (bytes) or pixels, uint8 (H, W, 3) RGB.
        outputs: names of the wanted outputs; empty: all.
        parameters: "score_threshold" (a number) and "camera_id" (text) are known.
        traceparent: W3C trace context; empty: none.
    """

    model: str
    version: str
    id: str
    images: Sequence[bytes | NDArray[np.uint8]]
    outputs: frozenset[str] = frozenset()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class InferResponse:
    """The answer: arrays by name."""

    model: str
    version: str
    id: str
    outputs: Mapping[str, NDArray[Any]]


class OpenInference:
    """Answers the calls of apps with the models that serve."""

    def __init__(self, models: Models, engine: Engine, calls: AppCalls, limits: ImageLimits) -> None:
        self._models = models
        self._engine = engine
        self._calls = calls
        self._limits = limits

    def ready(self) -> bool:
        """Whether a model serves."""
        return bool(self._models.releases)

    def model_ready(self, name: str, version: str = "") -> bool:
        """Whether this model serves."""
        try:
            self._models.named(name, version)
        except (NotFound, NotReady):
            return False
        return True

    def server(self) -> tuple[str, str]:
        """Name and version of the server."""
        return "cvops", installed_version("cvops")

    def model(self, name: str, version: str = "") -> ModelInfo:
        """What there is to know of a model; NotFound when it does not serve."""
        serving = self._models.named(name, version)
        spec = serving.model.spec
        versions = {s.release.model.version for s in self._models.releases if s.release.model.name == name}
        properties = {
            "task": str(spec.task),
            "classes": json.dumps(spec.classes),
            "bundle_sha256": serving.release.model.bundle_sha256,
            "network_input": f"{spec.input.width}x{spec.input.height}",
        }
        if spec.detection is not None:
            properties["score_threshold"] = str(spec.detection.score_threshold)
        return ModelInfo(
            name=name,
            versions=tuple(sorted(versions, key=int)),
            platform=PLATFORM,
            inputs=(TensorInfo(INPUT, "BYTES", (-1,)),),
            outputs=_output_infos(serving),
            properties=properties,
        )

    async def infer(self, request: InferRequest) -> InferResponse:
        """Predicts.

        Raises:
            NotFound: the model does not serve. NotReady: none does. Overloaded: too many images wait.
            BadArgument: an output, parameter or shape that is not known. BadImage: an image that cannot be read.
        """
        received_ns = time.time_ns()
        serving = self._models.named(request.model, request.version)
        threshold, camera_id = _parameters(request.parameters)
        images = [self._image(given) for given in request.images]
        if not images:
            raise BadArgument(f"the request to {request.model} has no image: expected input {INPUT!r} with 1 or more")
        wanted = request.outputs or {info.name for info in _output_infos(serving)}
        pending = self._engine.submit(serving.model, images, score_threshold=threshold, refusable=True)
        results = await asyncio.gather(*pending)
        outputs = _arrays(results)
        if unknown := wanted - outputs.keys():
            raise BadArgument(
                f"model {request.model} has no output {sorted(unknown)}: expected some of {sorted(outputs)}"
            )
        model = serving.release.model
        PREDICTIONS.labels(model.name, model.version, serving.role_name, "rpc").inc(len(images))
        self._calls.add(
            [
                Call(image, serving, result, camera_id, received_ns, request.traceparent)
                for image, result in zip(images, results, strict=True)
            ]
        )
        return InferResponse(
            model.name, model.version, request.id, {name: array for name, array in outputs.items() if name in wanted}
        )

    def _image(self, given: bytes | NDArray[np.uint8]) -> Image:
        if isinstance(given, np.ndarray):
            return Pixels(given)
        return Encoded(given, probe(given, self._limits))


def _parameters(given: Mapping[str, Any]) -> tuple[float | None, str]:
    threshold = given.get("score_threshold")
    if threshold is not None and not (isinstance(threshold, int | float) and 0 <= threshold <= 1):
        raise BadArgument(f"parameter score_threshold is {threshold!r}, expected a number from 0 to 1")
    return (None if threshold is None else float(threshold)), check_camera_id(str(given.get("camera_id") or RPC_CAMERA))


def _output_infos(serving: Serving) -> tuple[TensorInfo, ...]:
    spec = serving.model.spec
    if spec.detection is not None:
        infos = [
            TensorInfo("boxes", "FP32", (-1, 4)),
            TensorInfo("scores", "FP32", (-1,)),
            TensorInfo("class_ids", "INT32", (-1,)),
            TensorInfo("image_index", "INT32", (-1,)),
        ]
    else:
        infos = [TensorInfo("probabilities", "FP32", (-1, len(spec.classes)))]
    if spec.embedding is not None:
        infos.append(TensorInfo("embedding", "FP32", (-1, spec.embedding.dim)))
    return tuple(infos)


def _arrays(results: Sequence[Result]) -> dict[str, NDArray[Any]]:
    """Detections of all images one after the other, `image_index` tells whose; other outputs are (N, ...)."""
    arrays: dict[str, NDArray[Any]] = {}
    found = [result.detections for result in results if result.detections is not None]
    if found:
        arrays["boxes"] = np.concatenate([d.boxes_xyxy for d in found]).astype(np.float32).reshape(-1, 4)
        arrays["scores"] = np.concatenate([d.scores for d in found]).astype(np.float32)
        arrays["class_ids"] = np.concatenate([d.class_ids for d in found]).astype(np.int32)
        arrays["image_index"] = np.repeat(np.arange(len(found), dtype=np.int32), [len(d.scores) for d in found])
    probabilities = [result.probabilities for result in results if result.probabilities is not None]
    if probabilities:
        arrays["probabilities"] = np.stack(probabilities)
    embeddings = [result.embedding for result in results if result.embedding is not None]
    if embeddings:
        arrays["embedding"] = np.stack(embeddings)
    return arrays
