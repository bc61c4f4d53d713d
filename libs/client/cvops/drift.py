"""What the drift service knows: how cameras are doing, what changed, and what is accepted as normal."""

import hashlib
from datetime import UTC, datetime

from cvops.calls import Calls
from cvops.connection import Connection
from cvops_protos.v1 import drift_pb2 as pb
from cvops_protos.v1.drift_pb2_grpc import DriftStub
from cvops_protos.v1.prediction_pb2 import Prediction


class DriftMonitoring:
    """Drift of the five kinds, and camera health."""

    def __init__(self, connection: Connection) -> None:
        self._call = Calls(connection, "drift", DriftStub)

    def close(self) -> None:
        """Closes the connection."""
        self._call.close()

    def status(self, camera_id: str = "") -> list[pb.CameraDriftStatus]:
        """How every camera is doing, or one, by id."""
        return list(self._call("ListDriftStatus", pb.ListDriftStatusRequest(camera_id=camera_id)).cameras)

    def report(self, camera_id: str, since: datetime | None = None) -> pb.DriftReport:
        """Events of a camera since a time (aware), and the evidence now.

        Raises:
            Refused: the camera was never seen.
        """
        request = pb.GetDriftReportRequest(camera_id=camera_id)
        if since is not None:
            request.since.FromDatetime(since)
        report: pb.DriftReport = self._call("GetDriftReport", request)
        return report

    def accept_view(self, camera_id: str) -> None:
        """The camera was turned on purpose: its present view is the reference from now on."""
        self._call("AcceptView", pb.AcceptViewRequest(camera_id=camera_id))

    def relearn(self, camera_id: str) -> None:
        """The change is the new normal: what is seen from now on is the reference of all signals."""
        self._call("Relearn", pb.RelearnRequest(camera_id=camera_id))

    def review(self, prediction: Prediction, error: float, author: str) -> None:
        """A verdict on a prediction: 0 all right, 1 all wrong, between for a detector (1 - F1 of the frame)."""
        digest = hashlib.sha256(f"{prediction.prediction_id}\0{author}".encode()).hexdigest()[:32]
        feedback = pb.Feedback(
            feedback_id=digest,
            camera_id=prediction.camera_id,
            frame_id=prediction.frame_id,
            model=prediction.model,
            error=error,
            author=author,
        )
        feedback.at.FromDatetime(datetime.now(UTC))
        self._call("RecordFeedback", pb.RecordFeedbackRequest(feedback=[feedback]))
