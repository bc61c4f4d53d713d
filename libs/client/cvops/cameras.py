"""Cameras: the registry and what became of their frames."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from cvops.calls import Calls
from cvops.connection import Connection
from cvops_protos.v1 import camera_pb2, ingest_pb2
from cvops_protos.v1.ingest_pb2_grpc import CamerasStub


@dataclass(frozen=True, slots=True)
class Camera:
    """What is known of a camera; None: unknown, or the agent's own choice."""

    camera_id: str
    project: str = ""
    site: str = ""
    firmware: str = ""
    lens: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    height_m: float | None = None
    azimuth_deg: float | None = None
    pitch_deg: float | None = None
    roll_deg: float | None = None
    fps: float | None = None
    max_width: int | None = None
    jpeg_quality: int | None = None
    paused: bool | None = None
    config_revision: int = 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """What became of every frame since the camera was added: captured is the sum of all others."""

    captured: int = 0
    stored: int = 0
    sampled_out: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    gaps: int = 0


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How a camera is doing; times are aware UTC, None: never."""

    camera_id: str
    state: str
    last_frame_at: datetime | None
    fps: float
    lateness_p50_s: float
    lateness_p95_s: float
    ledger: Ledger


class Cameras:
    """The registry of cameras."""

    def __init__(self, connection: Connection) -> None:
        self._call = Calls(connection, "ingest", CamerasStub)

    def close(self) -> None:
        """Closes the connection."""
        self._call.close()

    def add(self, camera: Camera) -> Camera:
        """Adds a camera; Refused when there is one with its id."""
        return _from_proto(self._call("AddCamera", ingest_pb2.AddCameraRequest(camera=_to_proto(camera))))

    def set(self, camera: Camera) -> Camera:
        """Changes what is given and leaves the rest; tags are merged, an empty value removes one."""
        return _from_proto(self._call("SetCamera", ingest_pb2.SetCameraRequest(camera=_to_proto(camera))))

    def get(self, camera_id: str) -> Camera:
        """One camera; Refused when there is none."""
        return _from_proto(self._call("GetCamera", ingest_pb2.GetCameraRequest(camera_id=camera_id)))

    def list(self, selector: str = "") -> tuple[Camera, ...]:
        """Cameras by id; `selector` reads "site=north,firmware=2.*"."""
        answer = self._call("ListCameras", ingest_pb2.ListCamerasRequest(selector=selector))
        return tuple(_from_proto(camera) for camera in answer.cameras)

    def remove(self, camera_id: str) -> None:
        """Forgets a camera; its frames stay until they expire."""
        self._call("RemoveCamera", ingest_pb2.RemoveCameraRequest(camera_id=camera_id))

    def status(self, selector: str = "") -> tuple[CameraStatus, ...]:
        """How cameras are doing, with their ledgers."""
        answer = self._call("ListStatus", ingest_pb2.ListStatusRequest(selector=selector))
        return tuple(_status(status, answer.ledgers[status.camera_id]) for status in answer.cameras)


def _to_proto(camera: Camera) -> camera_pb2.Camera:
    out = camera_pb2.Camera(
        camera_id=camera.camera_id,
        project=camera.project,
        site=camera.site,
        firmware=camera.firmware,
        lens=camera.lens,
        tags=camera.tags,
        config=camera_pb2.CameraConfig(
            fps=camera.fps, max_width=camera.max_width, jpeg_quality=camera.jpeg_quality, paused=camera.paused
        ),
    )
    for part, names in (
        ("position", ("latitude_deg", "longitude_deg", "height_m")),
        ("orientation", ("azimuth_deg", "pitch_deg", "roll_deg")),
    ):
        for name in names:
            if (value := getattr(camera, name)) is not None:
                setattr(getattr(out, part), name, value)
    return out


def _from_proto(camera: camera_pb2.Camera) -> Camera:
    position = camera.position if camera.HasField("position") else None
    orientation = camera.orientation if camera.HasField("orientation") else None
    config = camera.config
    return Camera(
        camera_id=camera.camera_id,
        project=camera.project,
        site=camera.site,
        firmware=camera.firmware,
        lens=camera.lens,
        tags=dict(camera.tags),
        latitude_deg=position and position.latitude_deg,
        longitude_deg=position and position.longitude_deg,
        height_m=position and position.height_m,
        azimuth_deg=orientation and orientation.azimuth_deg,
        pitch_deg=orientation and orientation.pitch_deg,
        roll_deg=orientation and orientation.roll_deg,
        fps=config.fps if config.HasField("fps") else None,
        max_width=config.max_width if config.HasField("max_width") else None,
        jpeg_quality=config.jpeg_quality if config.HasField("jpeg_quality") else None,
        paused=config.paused if config.HasField("paused") else None,
        config_revision=config.revision,
    )


def _status(status: camera_pb2.CameraStatus, ledger: camera_pb2.LedgerMinute) -> CameraStatus:
    return CameraStatus(
        camera_id=status.camera_id,
        state=camera_pb2.CameraStatus.State.Name(status.state).removeprefix("STATE_").lower(),
        last_frame_at=_datetime(status),
        fps=status.fps,
        lateness_p50_s=status.lateness_p50_s,
        lateness_p95_s=status.lateness_p95_s,
        ledger=Ledger(
            captured=ledger.captured,
            stored=ledger.stored,
            sampled_out=ledger.sampled_out,
            rejected=dict(ledger.rejected),
            duplicates=ledger.duplicates,
            gaps=ledger.gaps,
        ),
    )


def _datetime(status: camera_pb2.CameraStatus) -> datetime | None:
    return status.last_frame_at.ToDatetime(UTC) if status.HasField("last_frame_at") else None
