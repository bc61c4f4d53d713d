"""Settings of the trainer."""

from pathlib import Path
from tempfile import gettempdir

from pydantic import Field

from cvops_common.settings import ServiceSettings, service_config


class TrainerSettings(ServiceSettings):
    """What the trainer needs beside the engines."""

    model_config = service_config("trainer")

    scratch_dir: Path = Field(Path(gettempdir()), description="folder for uploads and for runs that are under way")
    save_every_s: float = Field(5.0, gt=0, description="seconds between two checkpoints of a run")
    run_nice: int = Field(5, ge=0, le=19, description="how far a training stands back behind other processes, as nice")
    runs_at_once: int = Field(1, ge=1, description="trainings that run at the same time; the others wait")
    max_bundle_mb: int = Field(2048, ge=1, description="largest bundle that is taken, in MiB")
