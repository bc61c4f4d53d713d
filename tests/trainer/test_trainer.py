"""The store of models and releases, on real engines, through its gRPC door."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import grpc
import pytest

from cvops_bundles.importing import import_onnx
from cvops_bundles.options import ImportOptions, ModelFormat
from cvops_bundles.write import write_bundle
from cvops_common.access import KeyFile, Role
from cvops_common.bus import Bus
from cvops_common.objects import Objects
from cvops_common.records import Record
from cvops_common.runner import start
from cvops_common.topics import MODEL_RELEASED
from cvops_local.ports import free_ports
from cvops_protos.v1 import trainer_pb2 as pb
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.trainer_pb2_grpc import ModelsStub
from cvops_trainer.app import build
from cvops_trainer.settings import TrainerSettings
from tests.common.test_bus import until

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def bundle(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    classes = tuple(str(digit) for digit in range(10))
    options = ImportOptions(name=f"digits-{uuid4().hex[:6]}", format=ModelFormat.CLASSIFIER, classes=classes)
    parts = import_onnx(shared_data / "models" / "mnist.onnx", options)
    return write_bundle(parts, tmp_path_factory.mktemp("bundle")).path


@dataclass
class Trainer:
    models: ModelsStub
    settings: TrainerSettings
    operator: tuple[tuple[str, str], ...]

    async def upload(self, data: bytes, sha256: str | None = None, metadata: object = None) -> pb.ModelVersion:
        sha256 = sha256 or hashlib.sha256(data).hexdigest()

        def pieces() -> Iterator[pb.UploadBundleRequest]:
            for start_ in range(0, len(data), 10_000):
                yield pb.UploadBundleRequest(sha256=sha256, chunk=data[start_ : start_ + 10_000])

        return await self.models.UploadBundle(pieces(), metadata=metadata or self.operator)

    async def release(self, model: str, **wish: object) -> ModelReleased:
        return await self.models.ReleaseModel(pb.ReleaseModelRequest(model=model, **wish), metadata=self.operator)


@asynccontextmanager
async def running(settings: TrainerSettings, key: str) -> AsyncIterator[Trainer]:
    async with AsyncExitStack() as stack:
        await start(build(settings), settings, stack)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(settings.grpc_listen))
        yield Trainer(ModelsStub(channel), settings, (("authorization", f"Bearer {key}"),))


@pytest.fixture
async def trainer(kafka_url: str, mongo_url: str, objects_url: str, tmp_path: Path) -> AsyncIterator[Trainer]:
    grpc_port, http_port = free_ports(2)
    keys = KeyFile(tmp_path / "keys.json")
    settings = TrainerSettings(
        kafka=kafka_url, mongo=mongo_url, objects=objects_url, keys=tmp_path / "keys.json",
        grpc_listen=f"127.0.0.1:{grpc_port}", http_listen=f"127.0.0.1:{http_port}", scratch_dir=tmp_path,
    )  # fmt: skip
    async with running(settings, keys.create(Role.OPERATOR)) as started:
        yield started


async def test_the_same_bundle_twice_is_one_version_and_is_in_the_store(trainer: Trainer, bundle: Path) -> None:
    first = await trainer.upload(bundle.read_bytes())
    again = await trainer.upload(bundle.read_bytes())
    assert first == again
    assert first.version == "1"
    assert first.task == "classify"
    assert list(first.classes) == [str(digit) for digit in range(10)]
    objects = Objects(trainer.settings.objects)
    assert await objects.get(first.bundle_uri) == bundle.read_bytes()
    await objects.delete([first.bundle_uri])
    assert await trainer.upload(bundle.read_bytes()) == first
    assert await objects.get(first.bundle_uri) == bundle.read_bytes()


@pytest.mark.parametrize("kind", ["damaged", "no bundle", "empty"])
async def test_what_is_no_whole_bundle_is_refused(trainer: Trainer, bundle: Path, kind: str) -> None:
    good = bundle.read_bytes()
    data = {"damaged": good[:-1] + b"x", "no bundle": b"PK nonsense" * 100, "empty": b"x"}[kind]
    sha256 = hashlib.sha256(good).hexdigest() if kind == "damaged" else None
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await trainer.upload(data, sha256)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert list(trainer.settings.scratch_dir.glob("cvops-upload-*")) == []


async def test_a_release_a_rollback_and_a_withdrawal_are_told_to_everybody(trainer: Trainer, bundle: Path) -> None:
    project = f"p-{uuid4().hex[:6]}"
    seen: list[ModelReleased | None] = []
    bus = Bus(trainer.settings.kafka, service=f"test-{uuid4().hex[:6]}")

    @bus.table(MODEL_RELEASED)
    async def on_released(records: list[Record[ModelReleased]]) -> None:
        seen.extend(r.message for r in records if r.key == f"{project}/champion")

    async with bus:
        version = await trainer.upload(bundle.read_bytes())
        released = await trainer.release(version.name, project=project, selector="site=north", reason="first")
        assert released.stage == ModelReleased.STAGE_CHAMPION
        assert released.percent == 100
        assert not released.HasField("previous")
        with pytest.raises(grpc.aio.AioRpcError, match="had no model before"):
            await trainer.models.RollbackModel(pb.RollbackModelRequest(project=project), metadata=trainer.operator)
        listed = await trainer.models.ListModels(pb.ListModelsRequest(), metadata=trainer.operator)
        assert released in list(listed.releases)
        await trainer.models.WithdrawModel(pb.WithdrawModelRequest(project=project), metadata=trainer.operator)
        await until(lambda: len(seen) == 3)
    assert seen[0] == released
    assert seen[1] is not None
    assert seen[1].stage == ModelReleased.STAGE_WITHDRAWN
    assert seen[2] is None


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"model": "nobody"}, grpc.StatusCode.NOT_FOUND),
        ({"model": "nobody:x"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"percent": 101}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"selector": "north"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"project": "a b"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"stage": ModelReleased.STAGE_WITHDRAWN}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_a_release_that_makes_no_sense_is_refused(trainer: Trainer, bundle: Path, wish, code) -> None:
    version = await trainer.upload(bundle.read_bytes())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await trainer.release(**({"model": version.name} | wish))
    assert refused.value.code() is code


async def test_without_the_right_key_nothing_can_be_changed(trainer: Trainer, bundle: Path, tmp_path: Path) -> None:
    camera = KeyFile(tmp_path / "keys.json").create(Role.CAMERA, camera_id="gate")
    for metadata, code in [
        ((("x", "y"),), grpc.StatusCode.UNAUTHENTICATED),
        ((("authorization", "Bearer cvops_0_1"),), grpc.StatusCode.UNAUTHENTICATED),
        ((("authorization", f"Bearer {camera}"),), grpc.StatusCode.PERMISSION_DENIED),
    ]:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await trainer.upload(bundle.read_bytes(), metadata=metadata)
        assert refused.value.code() is code


async def test_versions_and_releases_survive_a_restart(trainer: Trainer, bundle: Path, tmp_path: Path) -> None:
    version = await trainer.upload(bundle.read_bytes())
    released = await trainer.release(version.name, project=f"p-{uuid4().hex[:6]}")
    key = KeyFile(tmp_path / "keys.json").create(Role.OPERATOR)
    grpc_port, http_port = free_ports(2)
    listen = {"grpc_listen": f"127.0.0.1:{grpc_port}", "http_listen": f"127.0.0.1:{http_port}"}
    async with running(trainer.settings.model_copy(update=listen), key) as again:
        listed = await again.models.ListModels(pb.ListModelsRequest(name=version.name), metadata=again.operator)
    assert list(listed.versions) == [version]
    assert released in list(listed.releases)
