"""The map of ingest: what comes in, what it needs, what goes out. No I/O happens here."""

from datetime import timedelta
from typing import Any

from cvops_common.access import Role
from cvops_common.app import App, GrpcService, HttpRoute
from cvops_common.bus import Bus
from cvops_common.mongo import connect
from cvops_common.objects import Objects
from cvops_common.outbox import Outbox
from cvops_common.records import Record
from cvops_common.topics import CAMERAS
from cvops_ingest import http
from cvops_ingest.cameras_servicer import CamerasServicer
from cvops_ingest.committer import Committer
from cvops_ingest.frame_store import FrameStore
from cvops_ingest.presence import Presence
from cvops_ingest.recent import RecentIds
from cvops_ingest.registry import Cameras
from cvops_ingest.service import Ingest
from cvops_ingest.servicer import FramesServicer
from cvops_ingest.settings import IngestSettings
from cvops_ingest.sweeper import Sweeper
from cvops_protos.v1.ingest_pb2_grpc import add_CamerasServicer_to_server, add_IngestServicer_to_server

_PUSH = frozenset({Role.CAMERA, Role.OPERATOR})
_RUN = frozenset({Role.OPERATOR})
_SEE = frozenset({Role.OPERATOR, Role.APP, Role.ANNOTATOR})
_OWN = frozenset({Role.CAMERA, Role.OPERATOR})


def build(settings: IngestSettings) -> App:
    """Wires the service; nothing is opened."""
    bus = Bus.of(settings, "ingest")
    store, objects = connect(settings.mongo, "ingest"), Objects(settings.objects)
    outbox, recent = Outbox(store, bus), RecentIds(settings.recent_frames)
    frames = FrameStore(store, dedup=timedelta(hours=settings.dedup_h))
    cameras = Cameras(store, outbox, patience_s=settings.patience_s)
    presence = Presence(
        store,
        outbox,
        project_of=cameras.project_of,
        offline_after=timedelta(seconds=settings.offline_after_s),
        minute_grace=timedelta(seconds=settings.minute_grace_s),
    )
    committer = Committer(
        frames, objects, bus, recent=recent, project_of=cameras.project_of, patience_s=settings.patience_s
    )
    ingest = Ingest(cameras, committer, recent, presence, settings)
    sweeper = Sweeper(objects, retention=timedelta(hours=settings.retention_h), every_s=settings.sweep_every_s)

    @bus.table(CAMERAS)
    async def on_cameras(records: list[Record[Any]]) -> None:
        await cameras.refresh({record.key for record in records})

    return App(
        bus,
        grpc=(
            GrpcService(
                add_IngestServicer_to_server,
                FramesServicer(ingest, window=settings.stream_window),
                roles={"PushFrames": _PUSH},
            ),
            GrpcService(
                add_CamerasServicer_to_server,
                CamerasServicer(cameras),
                roles={
                    "AddCamera": _RUN,
                    "SetCamera": _RUN,
                    "RemoveCamera": _RUN,
                    "GetCamera": _SEE | _OWN,
                    "ListCameras": _SEE,
                    "ListStatus": _SEE,
                    "WatchConfig": _OWN,
                },
            ),
        ),
        http=(
            HttpRoute(http.PATH, http.frames_endpoint(ingest, max_bytes=settings.max_image_bytes), _PUSH, ("POST",)),
        ),
        before=(store, frames, cameras),
        after=(outbox, presence, ingest.pipeline, sweeper),
        checks={"mongo": store.check, "pipeline": ingest.check},
    )
