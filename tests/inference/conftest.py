"""Bundles of a detector of bright cells, and a running inference on real engines."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from cvops_bundles.bundle import Bundle, open_bundle
from cvops_bundles.importing import import_onnx
from cvops_bundles.options import ImportOptions, ModelFormat, Preprocessing
from cvops_bundles.write import BundleParts, write_bundle
from cvops_common import ids
from cvops_common.access import KeyFile, Role
from cvops_common.bus import Bus
from cvops_common.objects import Objects
from cvops_common.records import Record
from cvops_common.runner import start
from cvops_inference.app import build
from cvops_inference.settings import InferenceSettings
from cvops_local.ports import free_ports
from cvops_protos.v1 import open_inference_pb2 as oip
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.frame_pb2 import Frame
from cvops_protos.v1.image_pb2 import IMAGE_ENCODING_PNG, ObjectRange
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.open_inference_pb2_grpc import GRPCInferenceServiceStub
from cvops_protos.v1.prediction_pb2 import ModelRef, Prediction
from tests.common.test_bus import read_all
from tests.small_models import blob_detector, save_onnx

COLUMNS, ROWS = 8, 6
OPTIONS = ImportOptions(
    name="blobs",
    format=ModelFormat.DECODED,
    classes=("red", "green", "blue"),
    preprocessing=Preprocessing(scale=1 / 255),
)


def picture(cell: int, channel: int = 0) -> np.ndarray:
    """uint8 (48, 64, 3): black, but for one cell of 8x8 px (0 to 47, row by row) in one colour."""
    image = np.zeros((48, 64, 3), np.uint8)
    row, column = divmod(cell % (COLUMNS * ROWS), COLUMNS)
    image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8, channel] = 255
    return image


def box_of(cell: int) -> list[float]:
    """The box that the detector gives for `picture(cell)`."""
    row, column = divmod(cell % (COLUMNS * ROWS), COLUMNS)
    return [8.0 * column, 8.0 * row, 8.0 * column + 8, 8.0 * row + 8]


def png(image: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "png")
    return buffer.getvalue()


def monitor(folder: Path, output: str = "outlier_score") -> bytes:
    """A graph that gives the mean of the pixels, 0..255, as the outlier score."""
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "sides"], [output], keepdims=0),
    ]
    inputs = [("image", TensorProto.UINT8, ["n", 48, 64, 3])]
    outputs = [(output, TensorProto.FLOAT, ["n"])]
    weights = {"sides": np.array([1, 2, 3], np.int64)}
    return save_onnx(folder / "monitor.onnx", nodes, inputs, outputs, weights).read_bytes()


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> BundleParts:
    """What is in the bundle of the detector of bright cells."""
    return import_onnx(blob_detector(tmp_path_factory.mktemp("onnx") / "blobs.onnx"), OPTIONS)


@pytest.fixture
def unsure_bundle(tmp_path: Path) -> Bundle:
    """A bundle of the detector whose graph gives three quarters of its scores."""
    written = write_bundle(import_onnx(blob_detector(tmp_path / "unsure.onnx", gain=0.75), OPTIONS), tmp_path)
    return open_bundle(written.path, written.sha256)


@pytest.fixture
def make_bundle(parts: BundleParts, tmp_path: Path) -> Callable[..., Bundle]:
    """Writes a bundle of the detector with other members than usual; `note` makes it another bundle."""

    def make(note: str = "", **members: Any) -> Bundle:
        written = write_bundle(replace(parts, spec=replace(parts.spec, note=note), **members), tmp_path)
        return open_bundle(written.path, written.sha256)

    return make


@pytest.fixture
def wrong_bundle(parts: BundleParts, make_bundle: Callable[..., Bundle]) -> Bundle:
    """A bundle whose graph does not give what was recorded."""
    scores = np.asarray(parts.parity.outputs["scores"])
    outputs = {**parts.parity.outputs, "scores": np.clip(scores + 0.5, 0, 1).astype(np.float32)}
    return make_bundle("wrong", parity=replace(parts.parity, outputs=outputs))


def detections(prediction: Prediction) -> tuple[list[list[float]], list[float], list[int]]:
    """Boxes, scores and classes of a prediction."""
    found = prediction.detections
    return (
        np.frombuffer(found.xyxy, "<f4").reshape(-1, 4).tolist(),
        np.frombuffer(found.score, "<f4").tolist(),
        np.frombuffer(found.class_id, "<u2").tolist(),
    )


@dataclass(frozen=True, slots=True)
class Running:
    """A running inference with what its neighbours would do: a registry of cameras, an ingest, a release store."""

    settings: InferenceSettings
    bus: Bus
    objects: Objects
    channel: grpc.aio.Channel
    key: str
    kafka_url: str

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.key}"),)

    async def call(self, name: str, request: Any) -> Any:
        """One gRPC call of an app."""
        return await getattr(GRPCInferenceServiceStub(self.channel), name)(request, metadata=self.metadata)

    async def camera(self, project: str, **fields: Any) -> str:
        """Adds a camera with an id that no other test has."""
        camera_id = f"cam-{uuid4().hex[:10]}"
        await self.bus.publish(Camera(camera_id=camera_id, project=project, **fields), key=camera_id)
        return camera_id

    async def release(self, bundle: Bundle, project: str, name: str, version: str = "1", **fields: Any) -> None:
        """Releases a bundle and waits until it serves."""
        uri = f"models/{bundle.sha256}.zip"
        await self.objects.put(uri, bundle.path.read_bytes())
        fields = {"slot": "champion", "stage": ModelReleased.STAGE_CHAMPION, "percent": 100} | fields
        event = ModelReleased(
            project=project,
            model=ModelRef(name=name, version=version, bundle_sha256=bundle.sha256),
            bundle_uri=uri,
            **fields,
        )
        await self.bus.publish(event, key=f"{project}/{event.slot}")
        async with asyncio.timeout(20):
            while not (await self.call("ModelReady", oip.ModelReadyRequest(name=name, version=version))).ready:
                await asyncio.sleep(0.02)

    async def store(self, camera_id: str, project: str, images: list[bytes], first: int = 0) -> list[Frame]:
        """Stores images as ingest does, in one segment, and gives their events."""
        uri = f"segments/test/{uuid4().hex}"
        await self.objects.put(uri, images)
        frames, offset = [], 0
        for sequence, image in enumerate(images, first):
            frame = Frame(
                frame_id=ids.frame_id(camera_id, 1_700_000_000_000_000_000 + sequence, sequence),
                camera_id=camera_id,
                project=project,
                sequence=sequence,
                sha256=sha256(image).hexdigest(),
                encoding=IMAGE_ENCODING_PNG,
                width=64,
                height=48,
                where=ObjectRange(uri=uri, offset=offset, length=len(image)),
                orientation=1,
                config_revision=3,
            )
            frame.captured_at.FromSeconds(1_700_000_000 + sequence)
            frame.received_at.GetCurrentTime()
            frames.append(frame)
            offset += len(image)
        return frames

    async def publish(self, frames: list[Frame]) -> None:
        for frame in frames:
            await self.bus.publish(frame, key=frame.camera_id, traceparent=TRACEPARENT)

    async def predictions(self, camera_id: str, count: int) -> list[Prediction]:
        """The predictions of a camera in their order, once there are `count`."""
        async with asyncio.timeout(30):
            while True:
                found = await read_all(self.kafka_url, "predictions", camera_id)
                if len(found) >= count:
                    return [Prediction.FromString(value) for value, _ in found]
                await asyncio.sleep(0.1)


TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
async def inference(kafka_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A running inference; tests keep apart by project, camera and the names of their models."""
    folder = tmp_path_factory.mktemp("inference")
    (folder / "objects").mkdir()
    grpc_port, http_port = free_ports(2)
    keys = KeyFile(folder / "keys.json")
    settings = InferenceSettings(
        kafka=kafka_url, objects=(folder / "objects").as_uri(), keys=folder / "keys.json", cache_dir=folder / "cache",
        grpc_listen=f"127.0.0.1:{grpc_port}", http_listen=f"127.0.0.1:{http_port}", shutdown_s=1,
        queue_limit=60,  # fewer than the images of one call
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        await start(build(settings), settings, stack)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(settings.grpc_listen))
        bus = await stack.enter_async_context(Bus(kafka_url, service="test"))
        yield Running(settings, bus, Objects(settings.objects), channel, keys.create(Role.APP), kafka_url)


@pytest.fixture
def project() -> str:
    """A project that no other test has."""
    return f"project-{uuid4().hex[:8]}"


def released(bundle: Bundle, key: str = "p/champion", version: str = "1", **fields: Any) -> Record[ModelReleased]:
    """A record of the topic `model-released`."""
    project, _, slot = key.partition("/")
    fields = {"stage": ModelReleased.STAGE_CHAMPION, "percent": 100} | fields
    message = ModelReleased(
        project=project,
        slot=slot,
        model=ModelRef(name="blobs", version=version, bundle_sha256=bundle.sha256),
        bundle_uri=f"models/{bundle.sha256}.zip",
        **fields,
    )
    return Record(message, key, "model-released", 0, 0)
