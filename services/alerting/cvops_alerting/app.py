"""The map of alerting: what comes in, what it needs, what goes out. No I/O happens here."""

from collections.abc import Sequence
from typing import Any

from cvops_alerting.deliveries.deliveries import Deliveries
from cvops_alerting.deliveries.store import DeliveryStore
from cvops_alerting.episodes.episodes import Episodes
from cvops_alerting.episodes.servicer import LoopServicer
from cvops_alerting.episodes.store import EpisodeStore
from cvops_alerting.fleet import Fleet
from cvops_alerting.incidents.incidents import Incidents
from cvops_alerting.incidents.store import IncidentStore
from cvops_alerting.servicer import AlertingServicer
from cvops_alerting.settings import AlertingSettings
from cvops_common import topics
from cvops_common.access import Role
from cvops_common.app import App, GrpcService
from cvops_common.bus import Bus
from cvops_common.mongo import connect
from cvops_common.outbox import Outbox
from cvops_common.records import Record
from cvops_protos.v1.alerting_pb2_grpc import add_AlertingServicer_to_server, add_LoopServicer_to_server
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.project_pb2 import Project

_LOOK = frozenset({Role.OPERATOR, Role.APP, Role.ANNOTATOR})
_OPERATE = frozenset({Role.OPERATOR})


def build(settings: AlertingSettings) -> App:
    """Wires alerting."""
    bus = Bus.of(settings, "alerting")
    mongo, fleet = connect(settings.mongo, "alerting"), Fleet()
    outbox = Outbox(mongo, bus)
    deliveries = Deliveries(mongo, DeliveryStore(mongo), fleet, settings)
    store, episode_store = IncidentStore(mongo), EpisodeStore(mongo, outbox)
    incidents = Incidents(store, outbox, fleet, deliveries)
    episodes = Episodes(episode_store, incidents, fleet.project)

    @bus.table(topics.CAMERAS)
    async def on_cameras(records: Sequence[Record[Camera]]) -> None:
        fleet.on_cameras(records)

    @bus.table(topics.PROJECTS)
    async def on_projects(records: Sequence[Record[Project]]) -> None:
        fleet.on_projects(records)

    @bus.table(topics.MODEL_RELEASED)
    async def on_released(records: Sequence[Record[ModelReleased]]) -> None:
        fleet.on_released(records)
        await incidents.observe(records)

    # What goes wrong, and what is done about it.
    @bus.subscribe(
        topics.DRIFT_EVENTS,
        topics.CAMERA_STATUS,
        topics.SELECTIONS,
        topics.LABELS,
        topics.DATASET_RELEASED,
        topics.TRAINING_RUNS,
        topics.ROLLOUTS,
    )
    async def on_events(records: Sequence[Record[Any]]) -> None:
        await incidents.observe(records)
        await episodes.observe(records)

    return App(
        bus=bus,
        grpc=[
            GrpcService(
                add_AlertingServicer_to_server,
                AlertingServicer(incidents, deliveries),
                {
                    "ListIncidents": _LOOK,
                    "GetIncident": _LOOK,
                    "AcknowledgeIncident": _OPERATE,
                    "ResolveIncident": _OPERATE,
                    "TestRoutes": _OPERATE,
                    "ListDeliveries": _LOOK,
                },
            ),
            GrpcService(
                add_LoopServicer_to_server,
                LoopServicer(episode_store, episodes),
                {
                    "ListEpisodes": _LOOK,
                    "GetEpisode": _LOOK,
                    "PauseLoop": _OPERATE,
                    "ResumeLoop": _OPERATE,
                    "GetLoop": _LOOK,
                },
            ),
        ],
        before=[mongo, store, episode_store],
        after=[outbox, deliveries, incidents, episodes],
        checks={"mongo": mongo.check},
    )
