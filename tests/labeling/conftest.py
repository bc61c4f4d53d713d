"""A running labeling on real engines, cameras that are seen, and people who label."""

import hashlib
import json
import zipfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from uuid import uuid4

import grpc
import numpy as np
import pytest

from cvops_common.access import KeyFile, Role
from cvops_common.bus import Bus
from cvops_common.ids import frame_id
from cvops_common.mongo import MongoStore, connect
from cvops_common.objects import Objects
from cvops_common.records import Outgoing
from cvops_common.runner import start
from cvops_labeling.app import build
from cvops_labeling.settings import LabelingSettings
from cvops_local.ports import free_ports
from cvops_protos.v1 import labeling_pb2 as pb
from cvops_protos.v1.labeling_pb2_grpc import LabelingStub
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.prediction_pb2 import ModelRef, ModelRole, Prediction
from tests.common.test_bus import read_all
from tests.conftest import Engines

CLASSES = ("car", "van", "person")
BEGIN = datetime(2026, 11, 23, 12, tzinfo=UTC)
ORACLE = pb.Author(kind="oracle", name="oracle")


@pytest.fixture
def project() -> str:
    return f"p-{uuid4().hex[:10]}"


@pytest.fixture(scope="module")
def settings(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> LabelingSettings:
    folder = tmp_path_factory.mktemp("labeling")
    return LabelingSettings(
        kafka=engines.kafka,
        mongo=engines.mongo,
        objects=f"{engines.objects}/{folder.name}" if engines.objects else (folder / "objects").as_uri(),
        keys=folder / "keys.json",
        look_every_s=0.1,
        least_span_s=5,
        audit_every_s=0.2,
        select_wait_s=3,
        silence_s=0.5,
    )


@pytest.fixture
async def mongo(settings: LabelingSettings) -> AsyncIterator[MongoStore]:
    async with connect(settings.mongo, "labeling") as store:
        yield store


def image_bytes(number: int) -> bytes:
    """A JPEG of 64x48 px, different for each number."""
    import cv2

    picture = np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", picture)[1].tobytes())


@dataclass(frozen=True, slots=True)
class Seen:
    """Frames of cameras as inference tells of them, with their images in one segment."""

    objects: Objects
    project: str
    model: ModelRef

    async def frames(
        self,
        cameras: Sequence[str],
        count: int,
        *,
        begin: datetime = BEGIN,
        every_s: float = 1.0,
        role: ModelRole.ValueType = ModelRole.MODEL_ROLE_CHAMPION,
        segment: str = "",
    ) -> list[Prediction]:
        """`count` predictions of each camera."""
        rng = np.random.default_rng(1)
        uri = segment or f"segments/{uuid4().hex}.seg"
        images = [image_bytes(i) for i in range(8)]
        await self.objects.put(uri, images)
        offsets = np.cumsum([0, *map(len, images)])
        out = []
        for i in range(count):
            for camera_id in cameras:
                at = begin + timedelta(seconds=i * every_s)
                k = int(rng.integers(8))
                out.append(self._prediction(rng, camera_id, at, i, role))
                out[-1].where.uri, out[-1].where.offset, out[-1].where.length = uri, int(offsets[k]), len(images[k])
        return out

    def _prediction(
        self, rng: np.random.Generator, camera_id: str, at: datetime, i: int, role: ModelRole.ValueType
    ) -> Prediction:
        ns = round(at.timestamp() * 1e6) * 1000
        identity = frame_id(camera_id, ns, i)
        prediction = Prediction(
            prediction_id=f"{identity[:30]}{role}",
            frame_id=identity,
            camera_id=camera_id,
            project=self.project,
            model=self.model,
            role=role,
            width=64,
            height=48,
            outlier_score=float(rng.random()),
            embedding_dim=16,
            embedding=rng.normal(size=16).astype("<f2").tobytes(),
        )
        prediction.captured_at.FromNanoseconds(ns)
        prediction.stats.dhash = int(rng.integers(2**63))
        boxes = int(rng.integers(0, 4))
        prediction.detections.xyxy = rng.uniform(0, 40, (boxes, 4)).astype("<f4").tobytes()
        prediction.detections.score = np.sort(rng.random(boxes))[::-1].astype("<f4").tobytes()
        prediction.detections.class_id = rng.integers(0, 3, boxes).astype("<u2").tobytes()
        return prediction


@pytest.fixture
async def seen(settings: LabelingSettings, project: str) -> Seen:
    objects = Objects(settings.objects)
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as bundle:
        bundle.writestr("bundle.json", json.dumps({"classes": CLASSES, "for": project}))
    data = out.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    await objects.put(f"bundles/{sha256}.zip", data)
    return Seen(objects, project, ModelRef(name="road", version="1", bundle_sha256=sha256))


@dataclass
class Running:
    """A labeling that answers, and a bus to feed it."""

    stub: LabelingStub
    bus: Bus
    operator: tuple[tuple[str, str], ...]
    annotator: tuple[tuple[str, str], ...]
    settings: LabelingSettings
    project: str

    async def feed(self, messages: Iterable) -> None:
        keys = ("camera_id", "episode_id", "rollout_id", "project")
        events = []
        for each in messages:
            names = {field.name for field in each.DESCRIPTOR.fields}
            events.append(Outgoing(each, str(getattr(each, next(key for key in keys if key in names)))))
        await self.bus.publish_many(events)

    async def call(self, method: str, request, *, by: str = "operator"):
        return await getattr(self.stub, method)(request, metadata=getattr(self, by))

    async def frames(self, **conditions) -> list[pb.CatalogFrame]:
        request = pb.SearchFramesRequest(project=self.project, limit=1000, **conditions)
        return list((await self.call("SearchFrames", request)).frames)

    async def lease(self, count: int, author: str = "ann", episode_id: str = "") -> list[pb.Task]:
        request = pb.LeaseTasksRequest(project=self.project, count=count, author=author, episode_id=episode_id)
        return list((await self.call("LeaseTasks", request, by="annotator")).tasks)

    async def tasks(self, **conditions) -> pb.ListTasksResponse:
        return await self.call("ListTasks", pb.ListTasksRequest(project=self.project, limit=1000, **conditions))

    async def label(self, task: pb.Task, annotations: Sequence[pb.Annotation] = (), **more) -> pb.Label:
        fields = {"revision": task.revision, "author": ORACLE} | more
        request = pb.SubmitLabelRequest(task_id=task.task_id, annotations=annotations, **fields)
        return await self.call("SubmitLabel", request, by="annotator")

    async def told(self, topic: str, kind, key: str) -> list:
        return [kind.FromString(body) for body, _ in await read_all(self.settings.kafka, topic, key)]


@asynccontextmanager
async def running(settings: LabelingSettings, project: str) -> AsyncIterator[Running]:
    grpc_port, http_port = free_ports(2)
    keys = KeyFile(settings.keys)
    operator, annotator = (
        (("authorization", f"Bearer {keys.create(role, name=str(role))}"),) for role in (Role.OPERATOR, Role.ANNOTATOR)
    )
    settings = settings.model_copy(
        update={"grpc_listen": f"127.0.0.1:{grpc_port}", "http_listen": f"127.0.0.1:{http_port}"}
    )
    async with AsyncExitStack() as stack:
        await start(build(settings), settings, stack)
        bus = await stack.enter_async_context(Bus(settings.kafka, service="feeder"))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(settings.grpc_listen))
        yield Running(LabelingStub(channel), bus, operator, annotator, settings, project)


@pytest.fixture(scope="module")
async def service(settings: LabelingSettings) -> AsyncIterator[Running]:
    """One for the tests of a module: their projects keep them apart."""
    async with running(settings, "") as service:
        yield service


@pytest.fixture
async def labeling(service: Running, project: str, seen: Seen) -> Running:
    """With the champion of the project released."""
    released = ModelReleased(project=project, slot="champion", stage=ModelReleased.STAGE_CHAMPION)
    released.model.CopyFrom(seen.model)
    released.bundle_uri = f"bundles/{seen.model.bundle_sha256}.zip"
    await service.bus.publish(released, key=f"{project}/champion")
    return replace(service, project=project)


def box(
    class_name: str = "car", left: float = 1, top: float = 2, width: float = 10, height: float = 8
) -> pb.Annotation:
    return pb.Annotation(class_name=class_name, box=pb.Annotation.Box(left=left, top=top, width=width, height=height))
