"""gRPC: message -> one call -> message. Errors become status codes in the interceptor."""

from datetime import UTC
from typing import Any

from cvops_common.bus import Bus
from cvops_common.errors import BadArgument
from cvops_common.records import Outgoing
from cvops_drift.service import Drift
from cvops_protos.v1 import drift_pb2 as pb
from cvops_protos.v1.drift_pb2_grpc import DriftServicer as Generated


class DriftServicer(Generated):
    """What drift knows, and what people tell it."""

    def __init__(self, drift: Drift, bus: Bus) -> None:
        self._drift = drift
        self._bus = bus

    async def ListDriftStatus(self, request: pb.ListDriftStatusRequest, context: Any) -> pb.ListDriftStatusResponse:
        """Every camera."""
        return pb.ListDriftStatusResponse(cameras=await self._drift.statuses(request.camera_id))

    async def GetDriftReport(self, request: pb.GetDriftReportRequest, context: Any) -> pb.DriftReport:
        """One camera."""
        since = request.since.ToDatetime(UTC) if request.HasField("since") else None
        return await self._drift.report(request.camera_id, since)

    async def AcceptView(self, request: pb.AcceptViewRequest, context: Any) -> pb.AcceptViewResponse:
        """A deliberate new view."""
        await self._bus.publish_many(await self._drift.accept_view(request.camera_id))
        return pb.AcceptViewResponse()

    async def Relearn(self, request: pb.RelearnRequest, context: Any) -> pb.RelearnResponse:
        """A new normal."""
        await self._bus.publish_many(await self._drift.relearn(request.camera_id))
        return pb.RelearnResponse()

    async def RecordFeedback(self, request: pb.RecordFeedbackRequest, context: Any) -> pb.RecordFeedbackResponse:
        """Verdicts; answered when Kafka has them."""
        for feedback in request.feedback:
            if not feedback.feedback_id or not feedback.camera_id or not 0 <= feedback.error <= 1:
                raise BadArgument(
                    f"feedback {feedback.feedback_id!r} of camera {feedback.camera_id!r} has error {feedback.error}: "
                    "expected an id, a camera and an error of 0 to 1"
                )
        await self._bus.publish_many([Outgoing(feedback, feedback.camera_id) for feedback in request.feedback])
        return pb.RecordFeedbackResponse()
