"""A trainer on real engines, a model to begin from, and datasets of drawn pictures for it."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import cv2
import grpc
import numpy as np
import psutil
import pytest

from cvops_common.access import KeyFile, Role
from cvops_common.bus import Bus
from cvops_common.objects import Objects
from cvops_common.runner import start
from cvops_common.topics import PROJECTS, TOPICS, create_topics, declaration
from cvops_datasets.images import Box, LabelledImage
from cvops_datasets.release import write_release
from cvops_local.ports import free_ports
from cvops_protos.v1 import training_pb2 as pb
from cvops_protos.v1.labeling_pb2 import DatasetReleased
from cvops_protos.v1.project_pb2 import Project
from cvops_protos.v1.trainer_pb2 import GetModelRequest, ListModelsRequest, ModelVersion, UploadBundleRequest
from cvops_protos.v1.trainer_pb2_grpc import ModelsStub
from cvops_protos.v1.training_pb2_grpc import TrainingStub
from cvops_trainer.app import build
from cvops_trainer.settings import TrainerSettings
from tests.conftest import Engines
from tests.small_detectors import CLASSES, HEIGHT, WIDTH, Drawn, draw

PROJECT = "lenient"
QUICK = {"steps": "4", "batch": "2"}
LONG = {"steps": "100000", "batch": "2"}
ENDED = (
    pb.TrainingRun.STATE_PASSED,
    pb.TrainingRun.STATE_REFUSED,
    pb.TrainingRun.STATE_FAILED,
    pb.TrainingRun.STATE_CANCELLED,
)


@dataclass
class Trainer:
    """A trainer that answers, and the model that runs begin from, as "name:version"."""

    training: TrainingStub
    models: ModelsStub
    bus: Bus
    objects: Objects
    settings: TrainerSettings
    metadata: tuple[tuple[str, str], ...]
    base: str = ""

    async def upload(self, path: Path) -> str:
        """Brings a bundle; its "name:version"."""
        data = path.read_bytes()
        pieces = [UploadBundleRequest(sha256=hashlib.sha256(data).hexdigest(), chunk=data)]
        version = await self.models.UploadBundle(iter(pieces), metadata=self.metadata)
        return f"{version.name}:{version.version}"

    async def dataset(
        self, images: Sequence[LabelledImage], *, name: str = "", episode_id: str = "", classes: Sequence[str] = CLASSES
    ) -> DatasetReleased:
        """Writes a dataset version and tells of it."""
        name = name or f"d-{uuid4().hex[:8]}"
        published = await write_release(
            self.objects, project=PROJECT, name=name, classes=tuple(classes), images=images, episode_id=episode_id
        )
        event = DatasetReleased(
            project=PROJECT,
            name=name,
            version=published.version,
            manifest_uri=published.manifest_uri,
            manifest_sha256=published.manifest_sha256,
            episode_id=episode_id,
        )
        event.at.FromDatetime(datetime.now(UTC))
        await self.bus.publish(event, key=f"{PROJECT}/{name}")
        return event

    async def start(self, dataset: DatasetReleased, **wish: object) -> pb.TrainingRun:
        """Queues a run, as soon as the trainer knows the dataset."""
        wish = {"project": PROJECT, "base": self.base} | wish
        request = pb.StartRunRequest(dataset=f"{dataset.name}:{dataset.version}", **wish)
        for _ in range(200):
            try:
                return await self.training.StartRun(request, metadata=self.metadata)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    raise
                await asyncio.sleep(0.05)
        raise AssertionError(f"the trainer never heard of {dataset.name}")

    async def run(self, run_id: str) -> pb.TrainingRun:
        return await self.training.GetRun(pb.GetRunRequest(run_id=run_id), metadata=self.metadata)

    async def until(self, run_id: str, holds: Callable[[pb.TrainingRun], bool], limit_s: float = 90) -> pb.TrainingRun:
        found = await self.run(run_id)
        try:
            async with asyncio.timeout(limit_s):
                while not holds(found):
                    await asyncio.sleep(0.1)
                    found = await self.run(run_id)
        except TimeoutError:
            raise AssertionError(f"it did not come to that: {found}") from None
        return found

    async def ended(self, run_id: str) -> pb.TrainingRun:
        return await self.until(run_id, lambda run: run.state in ENDED)

    async def runs_on(self, dataset: DatasetReleased) -> list[pb.TrainingRun]:
        answer = await self.training.ListRuns(pb.ListRunsRequest(limit=1000), metadata=self.metadata)
        return [run for run in answer.runs if run.dataset_sha256 == dataset.manifest_sha256]

    async def made_by(self, run: pb.TrainingRun) -> list[ModelVersion]:
        """Registered versions that came of a run."""
        answer = await self.models.ListModels(ListModelsRequest(), metadata=self.metadata)
        wholes = [
            await self.models.GetModel(
                GetModelRequest(model=f"{version.name}:{version.version}"), metadata=self.metadata
            )
            for version in answer.versions
        ]
        return [version for version in wholes if json.loads(version.bundle_json)["lineage"].get("run") == run.run_id]

    async def images(self, count: int = 15, episode_id: str = "") -> list[LabelledImage]:
        """Labelled pictures, stored; a third is held out."""
        rng = np.random.default_rng(int(uuid4().hex[:8], 16))
        return [await self._image(number, draw(rng), episode_id) for number in range(count)]

    async def _image(self, number: int, drawn: Drawn, episode_id: str) -> LabelledImage:
        _, encoded = cv2.imencode(".png", drawn.picture[..., ::-1])
        data = encoded.tobytes()
        sha256 = hashlib.sha256(data).hexdigest()
        uri = f"assets/{sha256}.png"
        await self.objects.put(uri, data)
        return LabelledImage(
            frame_id=f"{sha256[:16]}-{number:03}",
            camera_id="cam",
            captured_at=datetime(2026, 5, 1, tzinfo=UTC) + timedelta(minutes=number),
            asset_sha256=sha256,
            asset_uri=uri,
            width=WIDTH,
            height=HEIGHT,
            split="train" if number % 3 else "test",
            episode_id=episode_id,
            boxes=tuple(
                Box(CLASSES[kind], left, top, right - left, bottom - top)
                for (left, top, right, bottom), kind in zip(drawn.boxes.tolist(), drawn.class_ids, strict=True)
            ),
        )


def processes_of(run_id: str) -> list[psutil.Process]:
    """The processes that train it."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "cvops_trainer.runs.process" in line and line[-1].endswith(run_id):
            found.append(process)
    return found


def lenient() -> Project:
    """A project whose gates let every candidate through that still finds something."""
    release = Project.ReleasePolicy(least_gain=-1, most_clean_loss=1, most_class_loss=1, most_latency_ratio=1000)
    return Project(project=PROJECT, release=release, training=Project.Training(recipe="detector-tiny"))


@asynccontextmanager
async def running(settings: TrainerSettings, key: str, *projects: Project) -> AsyncIterator[Trainer]:
    """`projects`: those that it finds when it starts."""
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(Bus(settings.kafka, service="feeder"))
        await create_topics(settings.kafka, [declaration(TOPICS[PROJECTS], 8, 1)])
        for project in projects:
            await bus.publish(project, key=project.project)
        await start(build(settings), settings, stack)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(settings.grpc_listen))
        metadata = (("authorization", f"Bearer {key}"),)
        objects = Objects(settings.objects)
        yield Trainer(TrainingStub(channel), ModelsStub(channel), bus, objects, settings, metadata)


@pytest.fixture(scope="module")
def key(folder: Path) -> str:
    return KeyFile(folder / "keys.json").create(Role.OPERATOR)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def settings(engines: Engines, folder: Path) -> TrainerSettings:
    """Two runs at a time, and a checkpoint ten times a second."""
    grpc_port, http_port = free_ports(2)
    return TrainerSettings(
        kafka=engines.kafka,
        mongo=engines.mongo,
        objects=f"{engines.objects}/{folder.name}" if engines.objects else (folder / "objects").as_uri(),
        keys=folder / "keys.json",
        grpc_listen=f"127.0.0.1:{grpc_port}",
        http_listen=f"127.0.0.1:{http_port}",
        scratch_dir=folder,
        runs_at_once=2,
        save_every_s=0.1,
    )


@pytest.fixture(scope="module")
async def trainer(settings: TrainerSettings, key: str, tiny_detector: Path) -> AsyncIterator[Trainer]:
    """One for the tests of a module."""
    async with running(settings, key, lenient()) as started:
        started.base = await started.upload(tiny_detector)
        yield started
