"""Incidents: what somebody must know; and the messages about them."""

from collections.abc import Sequence

from cvops.calls import Calls
from cvops.connection import Connection
from cvops_protos.v1 import alerting_pb2 as pb
from cvops_protos.v1.alerting_pb2_grpc import AlertingStub

_SLOW_S = 60.0


class Alerting:
    """Incidents of a platform."""

    def __init__(self, connection: Connection) -> None:
        self._call = Calls(connection, "alerting", AlertingStub)

    def close(self) -> None:
        """Closes the connection."""
        self._call.close()

    def incidents(self, project: str = "", states: Sequence[str] = (), limit: int = 50) -> list[pb.Incident]:
        """Incidents, newest first; of every project when none is named.

        Args:
            project: only of this one; empty: all.
            states: only in these: "pending", "firing", "acknowledged", "resolved"; empty: all.
            limit: at most so many.

        Raises:
            ValueError: there is no such state.
        """
        wanted = [pb.Incident.State.Value(f"STATE_{state.upper()}") for state in states]
        request = pb.ListIncidentsRequest(project=project, states=wanted, limit=limit)
        return list(self._call("ListIncidents", request).incidents)

    def incident(self, incident_id: str) -> pb.Incident:
        """One incident, by its id or the beginning of it.

        Raises:
            Refused: there is none, or more than one begins so.
        """
        found: pb.Incident = self._call("GetIncident", pb.GetIncidentRequest(incident_id=incident_id))
        return found

    def acknowledge(self, incident_id: str, by: str = "somebody", note: str = "") -> pb.Incident:
        """Somebody looks after it."""
        request = pb.ChangeIncidentRequest(incident_id=incident_id, by=by, note=note)
        found: pb.Incident = self._call("AcknowledgeIncident", request)
        return found

    def resolve(self, incident_id: str, by: str = "somebody", note: str = "") -> pb.Incident:
        """It is over."""
        request = pb.ChangeIncidentRequest(incident_id=incident_id, by=by, note=note)
        found: pb.Incident = self._call("ResolveIncident", request)
        return found

    def test_routes(self, project: str = "default", route: str = "") -> list[pb.Delivery]:
        """Sends one test message by each route of a project, or by one, and tells what the receivers answered.

        Raises:
            Refused: the project has no such route.
        """
        request = pb.TestRoutesRequest(project=project, route=route)
        return list(self._call("TestRoutes", request, _SLOW_S).deliveries)

    def deliveries(self, incident_id: str = "", limit: int = 50) -> list[pb.Delivery]:
        """Messages about an incident, or all when none is named, newest first; the id may be cut short."""
        request = pb.ListDeliveriesRequest(incident_id=incident_id, limit=limit)
        return list(self._call("ListDeliveries", request).deliveries)
