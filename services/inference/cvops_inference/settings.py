"""Settings of inference."""

import os
from pathlib import Path
from tempfile import gettempdir

from pydantic import Field

from cvops_common.settings import ServiceSettings, service_config


def _cores() -> int:
    return len(os.sched_getaffinity(0))


class InferenceSettings(ServiceSettings):
    """What inference needs beside the engines."""

    model_config = service_config("inference")

    workers: int = Field(default_factory=_cores, ge=1, description="threads that decode and run models")
    max_batch: int = Field(8, ge=1, le=64, description="images that a worker takes at once; fewer where that is faster")
    queue_limit: int = Field(256, ge=1, description="images of apps that may wait; more are refused")
    stream_batch: int = Field(32, ge=1, description="frames of the stream that are read at once")
    stream_in_flight: int = Field(4, ge=1, description="such batches that are in work at once")
    max_age_s: float = Field(0.0, ge=0, description="older frames of the stream are dropped and counted, s; 0: none")
    cache_dir: Path = Field(Path(gettempdir()) / "cvops-bundles", description="folder of downloaded bundles")
    cache_mb: int = Field(4096, ge=1, description="size of that folder, MiB; bundles in use are kept in any case")
    store_rpc_share: float = Field(1.0, ge=0, le=1, description="share of app images that are stored; 0: none")
    rpc_publish_limit: int = Field(1000, ge=1, description="app predictions that may wait to be published")
    max_image_mb: int = Field(16, ge=1, description="largest encoded image of an app, MiB")
    max_image_mpx: int = Field(50, ge=1, description="largest image of an app, millions of pixels")
