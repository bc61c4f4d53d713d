"""The wished configuration of a camera, followed while the agent runs."""

import threading
from collections.abc import Callable
from typing import Any, Self

import grpc

from cvops.connection import Connection
from cvops_protos.v1.camera_pb2 import CameraConfig
from cvops_protos.v1.ingest_pb2 import WatchConfigRequest
from cvops_protos.v1.ingest_pb2_grpc import CamerasStub

_PAUSE_S = 2.0


class ConfigWatch:
    """Follows the configuration on a thread of its own; the last one known stays when ingest is away."""

    def __init__(self, connection: Connection, camera_id: str, on_change: Callable[[CameraConfig], None]) -> None:
        self._connection = connection
        self._camera_id = camera_id
        self._on_change = on_change
        self._stop = threading.Event()
        self._call: Any = None
        self._thread = threading.Thread(target=self._run, name=f"config-{camera_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._call is not None:
            self._call.cancel()
        self._thread.join(5)

    def _run(self) -> None:
        with self._connection.channel("ingest") as channel:
            while not self._stop.is_set():
                try:
                    self._call = CamerasStub(channel).WatchConfig(
                        WatchConfigRequest(camera_id=self._camera_id), metadata=self._connection.metadata
                    )
                    if self._stop.is_set():  # between the look at it and the call
                        self._call.cancel()
                    for config in self._call:
                        self._on_change(config)
                except grpc.RpcError:
                    # Pushing tells about a wrong key or camera; here patience is right.
                    pass
                self._stop.wait(_PAUSE_S)
