"""The map of inference: what comes in, what it needs, what goes out. No I/O happens here."""

import random
from collections.abc import Sequence

from cvops_common.access import Role
from cvops_common.app import App, GrpcService
from cvops_common.bus import Bus
from cvops_common.objects import Objects
from cvops_common.records import Outgoing, Record
from cvops_common.topics import CAMERAS, FRAMES, MODEL_RELEASED
from cvops_inference import http
from cvops_inference.app_calls import AppCalls
from cvops_inference.bundle_cache import BundleCache
from cvops_inference.engine import Engine
from cvops_inference.models import Models
from cvops_inference.open_inference import OpenInference
from cvops_inference.servicer import OpenInferenceServicer
from cvops_inference.settings import InferenceSettings
from cvops_inference.stream import Stream
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.frame_pb2 import Frame
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.open_inference_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from cvops_vision.probe import ImageLimits

_CALLERS = frozenset({Role.APP, Role.OPERATOR})
_CALLS = (
    "ServerLive",
    "ServerReady",
    "ModelReady",
    "ServerMetadata",
    "ModelMetadata",
    "ModelInfer",
    "ModelStreamInfer",
)


def build(settings: InferenceSettings) -> App:
    """Wires inference."""
    bus = Bus.of(settings, "inference")
    objects = Objects(settings.objects)
    cache = BundleCache(objects, settings.cache_dir, settings.cache_mb)
    models = Models(cache, workers=settings.workers, max_batch=settings.max_batch)
    engine = Engine(settings.workers, settings.queue_limit)
    stream = Stream(models, engine, objects, settings.max_age_s)
    calls = AppCalls(
        bus,
        objects,
        limit=settings.rpc_publish_limit,
        store_share=settings.store_rpc_share,
        rng=random.Random(),  # noqa: S311 - a sample, not a secret
    )
    limits = ImageLimits(max_bytes=settings.max_image_mb * 2**20, max_pixels=settings.max_image_mpx * 10**6)
    inference = OpenInference(models, engine, calls, limits)

    @bus.table(MODEL_RELEASED)
    async def on_model_released(records: Sequence[Record[ModelReleased]]) -> None:
        await models.on_released(records)

    @bus.table(CAMERAS)
    async def on_cameras(records: Sequence[Record[Camera]]) -> None:
        models.on_cameras(records)

    @bus.pipeline(FRAMES, max_records=settings.stream_batch, in_flight=settings.stream_in_flight)
    async def on_frames(records: list[Record[Frame]]) -> list[Outgoing]:
        return await stream.predict(records)

    return App(
        bus=bus,
        grpc=[
            GrpcService(
                add_GRPCInferenceServiceServicer_to_server,
                OpenInferenceServicer(inference),
                dict.fromkeys(_CALLS, _CALLERS),
            )
        ],
        http=http.routes(inference),
        before=[engine],
        after=[calls],
        checks={"models": models.check},
    )
