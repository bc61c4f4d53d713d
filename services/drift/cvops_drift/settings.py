"""Settings of drift."""

from pydantic import Field

from cvops_common.settings import ServiceSettings, service_config
from cvops_monitoring.stream.settings import MonitorSettings


class DriftSettings(ServiceSettings):
    """How quiet monitoring has to be, and what it learns from."""

    model_config = service_config("drift")

    false_alarm_days: float = Field(30.0, gt=0, description="wished days between false alarms, per camera and model")
    spacing_s: float = Field(1.0, ge=0, description="frames closer together than this say nothing new, s; 0: all count")
    reference_frames: int = Field(1024, ge=64, description="frames of the first reference of a camera and model")
    reference_span_s: float = Field(
        86_400.0, ge=0, description="time that a settled reference covers, s; 0: the first reference is settled"
    )
    max_dims: int = Field(64, ge=2, le=256, description="whitened features of an embedding at most")
    hold_s: float = Field(60.0, ge=0, description="how long a signal must be back before its alarm closes, s")
    update_s: float = Field(300.0, gt=0, description="an open alarm is told again after this time, s")
    regime_s: float = Field(30.0, ge=0, description="light that a camera was never seen in is told after this time, s")
    domain_false_discoveries: float = Field(
        0.1, gt=0, lt=1, description="share of wrong ones among the cameras that are named as unlike, 0..1"
    )
    save_every_s: float = Field(10.0, gt=0, description="seconds between snapshots; a crash replays that much")
    batch: int = Field(2000, ge=1, description="records taken from Kafka at once at most")
    idle_s: float = Field(3600.0, gt=0, description="a camera that is silent for this long leaves memory, s")

    @property
    def monitor(self) -> MonitorSettings:
        """What the statistics need to know."""
        return MonitorSettings(
            false_alarm_days=self.false_alarm_days,
            spacing_s=self.spacing_s,
            reference_frames=self.reference_frames,
            reference_span_s=self.reference_span_s,
            max_dims=self.max_dims,
            hold_s=self.hold_s,
            update_s=self.update_s,
            regime_s=self.regime_s,
        )
