"""The map of the trainer: what comes in, what it needs. No I/O happens here."""

from collections.abc import Sequence
from typing import Any

from cvops_common.access import Role
from cvops_common.app import App, GrpcService
from cvops_common.bus import Bus
from cvops_common.mongo import connect
from cvops_common.objects import Objects
from cvops_common.outbox import Outbox
from cvops_common.records import Record
from cvops_common.topics import CAMERAS, DATASET_RELEASED, LABELS, LOOP, PREDICTIONS, PROJECTS
from cvops_protos.v1.alerting_pb2 import LoopStatus
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.labeling_pb2 import DatasetReleased
from cvops_protos.v1.project_pb2 import Project
from cvops_protos.v1.trainer_pb2_grpc import add_ModelsServicer_to_server
from cvops_protos.v1.training_pb2_grpc import add_TrainingServicer_to_server
from cvops_trainer.fleet import Fleet
from cvops_trainer.registry import Registry
from cvops_trainer.releases import Releases
from cvops_trainer.rollouts.rollouts import Rollouts
from cvops_trainer.rollouts.store import RolloutStore
from cvops_trainer.runs.desk import RunDesk
from cvops_trainer.runs.runs import Runs
from cvops_trainer.runs.store import RunStore
from cvops_trainer.servicer import ModelsServicer
from cvops_trainer.settings import TrainerSettings
from cvops_trainer.training_servicer import TrainingServicer

_OPERATE = frozenset({Role.OPERATOR})
_LOOK = frozenset({Role.OPERATOR, Role.APP, Role.ANNOTATOR})


def build(settings: TrainerSettings) -> App:
    """Wires the trainer."""
    bus = Bus.of(settings, "trainer")
    mongo = connect(settings.mongo, "trainer")
    outbox = Outbox(mongo, bus)
    registry, fleet = Registry(mongo, Objects(settings.objects), settings), Fleet()
    releases = Releases(mongo, outbox, registry)
    run_store, rollout_store = RunStore(mongo, outbox), RolloutStore(mongo, outbox)
    rollouts = Rollouts(rollout_store, registry, releases, fleet)
    runs = Runs(run_store, registry, fleet, settings, on_passed=rollouts.begin)
    desk = RunDesk(run_store, registry, releases, fleet, settings, on_queued=runs.wake)

    @bus.table(CAMERAS)
    async def on_cameras(records: Sequence[Record[Camera]]) -> None:
        fleet.on_cameras(records)

    @bus.table(PROJECTS)
    async def on_projects(records: Sequence[Record[Project]]) -> None:
        fleet.on_projects(records)

    @bus.table(LOOP)
    async def on_loop(records: Sequence[Record[LoopStatus]]) -> None:
        fleet.on_loop(records)

    @bus.subscribe(DATASET_RELEASED)
    async def on_datasets(records: Sequence[Record[DatasetReleased]]) -> None:
        await desk.on_datasets([record.message for record in records if record.message is not None])

    @bus.subscribe(PREDICTIONS, LABELS)
    async def on_evidence(records: Sequence[Record[Any]]) -> None:
        await rollouts.observe(records)

    models = {
        "UploadBundle": _OPERATE,
        "ListModels": _LOOK,
        "GetModel": _LOOK,
        "SetAlias": _OPERATE,
        "ReleaseModel": _OPERATE,
        "RollbackModel": _OPERATE,
        "WithdrawModel": _OPERATE,
    }
    training = {
        "StartRun": _OPERATE,
        "ListRuns": _LOOK,
        "GetRun": _LOOK,
        "CancelRun": _OPERATE,
        "ListRollouts": _LOOK,
        "GetRollout": _LOOK,
        "StartRollout": _OPERATE,
        "HoldRollout": _OPERATE,
        "ContinueRollout": _OPERATE,
        "StopRollout": _OPERATE,
        "GetServedBy": _LOOK,
    }
    return App(
        bus=bus,
        grpc=[
            GrpcService(add_ModelsServicer_to_server, ModelsServicer(registry, releases), models),
            GrpcService(
                add_TrainingServicer_to_server, TrainingServicer(desk, runs, rollouts, releases, fleet), training
            ),
        ],
        before=[mongo, registry, run_store, rollout_store],
        after=[outbox, rollouts, runs],
        checks={"mongo": mongo.check},
    )
