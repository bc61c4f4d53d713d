"""gRPC: message -> one call -> message. Errors become status codes in the interceptor."""

from typing import Any

from cvops_alerting.deliveries.deliveries import Deliveries
from cvops_alerting.incidents.incidents import Incidents
from cvops_common.projects import DEFAULT_PROJECT
from cvops_protos.v1 import alerting_pb2 as pb
from cvops_protos.v1.alerting_pb2_grpc import AlertingServicer as Generated

_DEFAULT_LIMIT, _MOST = 50, 1000
_SOMEBODY = "somebody"


class AlertingServicer(Generated):
    """Incidents, and the messages about them."""

    def __init__(self, incidents: Incidents, deliveries: Deliveries) -> None:
        self._incidents = incidents
        self._deliveries = deliveries

    async def ListIncidents(self, request: pb.ListIncidentsRequest, context: Any) -> pb.ListIncidentsResponse:
        """Newest first."""
        limit = min(request.limit or _DEFAULT_LIMIT, _MOST)
        found = await self._incidents.newest(request.project, list(request.states), limit)
        return pb.ListIncidentsResponse(incidents=found)

    async def GetIncident(self, request: pb.GetIncidentRequest, context: Any) -> pb.Incident:
        """One, by its id or the beginning of it."""
        return await self._incidents.get(request.incident_id)

    async def AcknowledgeIncident(self, request: pb.ChangeIncidentRequest, context: Any) -> pb.Incident:
        """Somebody looks after it."""
        return await self._incidents.acknowledge(request.incident_id, request.by or _SOMEBODY, request.note)

    async def ResolveIncident(self, request: pb.ChangeIncidentRequest, context: Any) -> pb.Incident:
        """It is over."""
        return await self._incidents.resolve(request.incident_id, request.by or _SOMEBODY, request.note)

    async def TestRoutes(self, request: pb.TestRoutesRequest, context: Any) -> pb.TestRoutesResponse:
        """One message by every route, at once."""
        found = await self._deliveries.test(request.project or DEFAULT_PROJECT, request.route)
        return pb.TestRoutesResponse(deliveries=found)

    async def ListDeliveries(self, request: pb.ListDeliveriesRequest, context: Any) -> pb.ListDeliveriesResponse:
        """Newest first."""
        limit = min(request.limit or _DEFAULT_LIMIT, _MOST)
        return pb.ListDeliveriesResponse(deliveries=await self._deliveries.newest(request.incident_id, limit))
