"""The live half of a report: histograms, evidence over time, the two views."""

import cv2

from cvops_drift.camera_watch import CameraWatch
from cvops_drift.event import histogram_message, readable_signals
from cvops_drift.surroundings import Surroundings
from cvops_monitoring.health.frame import Grey
from cvops_monitoring.stream.explain import explain
from cvops_protos.v1.drift_pb2 import DriftReport, EvidencePoint

_QUALITY = 80


def fill_live(report: DriftReport, camera: CameraWatch, around: Surroundings) -> None:
    """Adds what the camera is like now."""
    for watch in camera.models.values():
        stream = watch.stream
        recent = stream.recent if stream is not None else None
        if stream is not None and recent is not None:
            for signal, name in zip(stream.ratios, readable_signals(list(stream.ratios), watch, around), strict=True):
                found = explain(stream.reference, recent, signal, float(recent.time_s[0]))
                if found is not None:
                    report.histograms[name].CopyFrom(histogram_message(found))
        for at_s, ratios in watch.history:
            names = readable_signals(list(ratios), watch, around)
            point = EvidencePoint(model=f"{watch.model.name}:{watch.model.version}")
            point.ratios.update(zip(names, ratios.values(), strict=True))
            point.at.FromNanoseconds(int(at_s * 1e9))
            report.evidence.append(point)
    report.reference_view = _jpeg(camera.health.reference_view)
    report.present_view = _jpeg(camera.health.present_view)


def _jpeg(picture: Grey | None) -> bytes:
    if picture is None:
        return b""
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])
