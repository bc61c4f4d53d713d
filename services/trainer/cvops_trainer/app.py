"""The map of the trainer: what comes in, what it needs. No I/O happens here."""

from cvops_common.access import Role
from cvops_common.app import App, GrpcService
from cvops_common.bus import Bus
from cvops_common.mongo import connect
from cvops_common.objects import Objects
from cvops_common.outbox import Outbox
from cvops_protos.v1.trainer_pb2_grpc import add_ModelsServicer_to_server
from cvops_trainer.registry import Registry
from cvops_trainer.releases import Releases
from cvops_trainer.servicer import ModelsServicer
from cvops_trainer.settings import TrainerSettings

_OPERATE = frozenset({Role.OPERATOR})
_LOOK = frozenset({Role.OPERATOR, Role.APP, Role.ANNOTATOR})


def build(settings: TrainerSettings) -> App:
    """Wires the trainer."""
    bus = Bus(
        settings.kafka,
        service="trainer",
        partitions=settings.topic_partitions,
        replicas=settings.topic_replicas,
        drain_s=settings.shutdown_s,
    )
    mongo = connect(settings.mongo, "trainer")
    outbox = Outbox(mongo, bus)
    registry = Registry(mongo, Objects(settings.objects), settings)
    models = ModelsServicer(registry, Releases(mongo, outbox, registry))
    roles = {
        "UploadBundle": _OPERATE,
        "ListModels": _LOOK,
        "ReleaseModel": _OPERATE,
        "RollbackModel": _OPERATE,
        "WithdrawModel": _OPERATE,
    }
    return App(
        bus=bus,
        grpc=[GrpcService(add_ModelsServicer_to_server, models, roles)],
        before=[mongo, registry],
        after=[outbox],
        checks={"mongo": mongo.check},
    )
