"""Health of cameras: moved, out of focus, dirty, covered, dark, frozen, wrong colours, late, slow; pure statistics."""

from cvops_monitoring.health.camera import CameraHealth
from cvops_monitoring.health.faults import ChangeState, Fault, FaultChange, FaultKind
from cvops_monitoring.health.frame import HealthFrame
from cvops_monitoring.health.settings import HealthSettings

__all__ = ["CameraHealth", "ChangeState", "Fault", "FaultChange", "FaultKind", "HealthFrame", "HealthSettings"]
