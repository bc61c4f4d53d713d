"""Settings of labeling."""

from pydantic import Field

from cvops_common.settings import ServiceSettings, service_config


class LabelingSettings(ServiceSettings):
    """What labeling needs beside the engines."""

    model_config = service_config("labeling")

    seen_hours: float = Field(24.0, gt=0, description="hours that the catalog keeps a frame that was only seen")
    batch: int = Field(500, ge=1, description="records taken from Kafka at once at most")
    look_every_s: float = Field(1.0, gt=0, description="seconds between looks at episodes and rollouts")
    least_candidates: int = Field(20, ge=1, description="frames since the change that an episode waits for")
    least_span_s: float = Field(30.0, ge=0, description="seconds that these frames should cover; 0: any")
    select_wait_s: float = Field(60.0, ge=0, description="after so many seconds an episode takes what is there")
    done_share: float = Field(0.8, gt=0, le=1, description="share of an episode's tasks after which silence ends it")
    silence_s: float = Field(30.0, gt=0, description="seconds without a label that end labelling after that share")
    audit_every_s: float = Field(3.0, gt=0, description="seconds between audit tasks of a rollout")
    audit_frames: int = Field(2, ge=0, description="audit tasks per camera each time; 0: none")
    audit_most: int = Field(120, ge=0, description="audit tasks of one stage of a rollout")
    max_image_mb: int = Field(16, ge=1, description="largest image that is imported, in MiB")
    max_image_mpx: int = Field(50, ge=1, description="largest image that is imported, in million pixels")
