"""The map of drift: what comes in, what it needs, what goes out. No I/O happens here."""

from collections.abc import Sequence
from typing import Any

from cvops_common.access import Role
from cvops_common.app import App, GrpcService
from cvops_common.bus import Bus
from cvops_common.mongo import connect
from cvops_common.objects import Objects
from cvops_common.records import Outgoing, Record
from cvops_common.topics import CAMERAS, FEEDBACK, FRAMES, LABELS, MODEL_RELEASED, PREDICTIONS
from cvops_drift.service import Drift
from cvops_drift.servicer import DriftServicer
from cvops_drift.settings import DriftSettings
from cvops_drift.store import Store
from cvops_drift.surroundings import Surroundings
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.drift_pb2_grpc import add_DriftServicer_to_server
from cvops_protos.v1.model_pb2 import ModelReleased

_LOOK = frozenset({Role.OPERATOR, Role.APP, Role.ANNOTATOR})
_OPERATE = frozenset({Role.OPERATOR})
_REVIEW = frozenset({Role.OPERATOR, Role.APP, Role.ANNOTATOR})


def build(settings: DriftSettings) -> App:
    """Wires drift."""
    bus = Bus.of(settings, "drift")
    mongo, objects = connect(settings.mongo, "drift"), Objects(settings.objects)
    store = Store(mongo)
    around = Surroundings(false_discovery_rate=settings.domain_false_discoveries)
    drift = Drift(store, around, settings)

    @bus.table(CAMERAS)
    async def on_cameras(records: Sequence[Record[Camera]]) -> None:
        around.on_cameras(records)

    @bus.table(MODEL_RELEASED)
    async def on_model_released(records: Sequence[Record[ModelReleased]]) -> None:
        await around.on_released(records, objects)

    @bus.stateful(
        FRAMES,
        PREDICTIONS,
        FEEDBACK,
        LABELS,
        save=drift.save,
        release=drift.release,
        max_records=settings.batch,
        save_every_s=settings.save_every_s,
    )
    async def on_camera_events(records: list[Record[Any]]) -> list[Outgoing]:
        return await drift.observe(records)

    return App(
        bus=bus,
        grpc=[
            GrpcService(
                add_DriftServicer_to_server,
                DriftServicer(drift, bus),
                {
                    "ListDriftStatus": _LOOK,
                    "GetDriftReport": _LOOK,
                    "AcceptView": _OPERATE,
                    "Relearn": _OPERATE,
                    "RecordFeedback": _REVIEW,
                },
            )
        ],
        before=[mongo, store],
        checks={"mongo": mongo.check},
    )
