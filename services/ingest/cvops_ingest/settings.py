"""Settings of ingest, read from CVOPS_INGEST_<FIELD>, then CVOPS_<FIELD>."""

from pydantic import Field

from cvops_common.settings import ServiceSettings, service_config
from cvops_vision.probe import ImageLimits


class IngestSettings(ServiceSettings):
    """What a frame may cost, how frames are grouped, how long they are kept."""

    model_config = service_config("ingest")

    grpc_listen: str = Field("127.0.0.1:7110", description="gRPC address, host:port")
    http_listen: str = Field("127.0.0.1:7111", description="HTTP address for uploads, health and metrics, host:port")

    max_image_bytes: int = Field(16 * 2**20, ge=1024, le=60 * 2**20, description="largest encoded image, bytes")
    max_image_pixels: int = Field(50_000_000, ge=1, description="largest image, width times height, px")
    stream_window: int = Field(32, ge=1, le=1024, description="frames of one call that wait for their acknowledgement")
    in_flight_bytes: int = Field(
        256 * 2**20, ge=2**20, description="bytes of all images that are not acknowledged yet; reading stops beyond"
    )
    inspect_threads: int = Field(2, ge=1, le=64, description="threads that decode and measure images")
    inspect_processes: bool = Field(
        True, description="a process beside each of these threads takes over while many images wait; false: none does"
    )

    segment_bytes: int = Field(8 * 2**20, ge=1, description="a segment takes no further frame beyond, bytes")
    segment_frames: int = Field(256, ge=1, le=10_000, description="frames a segment holds at most")
    linger_s: float = Field(
        0.08, ge=0, description="seconds that a segment waits for frames being inspected; 0: never; idle: never"
    )
    retention_h: int = Field(
        24, ge=0, description="hours that segments are kept; 0: for ever, or by a bucket's own rule"
    )
    sweep_every_s: float = Field(300.0, gt=0, description="seconds between two looks for expired segments")

    dedup_h: int = Field(48, ge=1, description="hours that a frame pushed again is recognised")
    recent_frames: int = Field(50_000, ge=0, description="frame ids known without asking MongoDB; 0: none")
    patience_s: float = Field(
        10.0, ge=0, description="seconds that an engine may be away before frames are handed back"
    )

    thumbnail_every_s: float = Field(
        1.0, gt=0, description="seconds between two thumbnails of a camera, for its health"
    )
    offline_after_s: float = Field(10.0, gt=0, description="seconds without a frame until a camera counts as offline")
    minute_grace_s: float = Field(
        5.0, ge=0, description="seconds after its end that the ledger of a minute is published"
    )

    @property
    def limits(self) -> ImageLimits:
        """What one image may cost at most."""
        return ImageLimits(self.max_image_bytes, self.max_image_pixels)
