"""gRPC of runs and rollouts: message -> one call -> message."""

from datetime import UTC
from typing import Any

from cvops_common.errors import BadArgument
from cvops_protos.v1 import training_pb2 as pb
from cvops_protos.v1.training_pb2_grpc import TrainingServicer as Generated
from cvops_trainer.fleet import Fleet
from cvops_trainer.releases import DEFAULT_PROJECT, Releases
from cvops_trainer.rollouts.rollouts import Rollouts
from cvops_trainer.runs.desk import RunDesk
from cvops_trainer.runs.runs import Runs
from cvops_trainer.served import served_by

_LIMIT, _MOST = 50, 1000


class TrainingServicer(Generated):
    """Trainings, and candidates on their way."""

    def __init__(self, desk: RunDesk, runs: Runs, rollouts: Rollouts, releases: Releases, fleet: Fleet) -> None:
        self._desk = desk
        self._runs = runs
        self._rollouts = rollouts
        self._releases = releases
        self._fleet = fleet

    async def StartRun(self, request: pb.StartRunRequest, context: Any) -> pb.TrainingRun:
        """Queues a run."""
        return await self._desk.start(
            request.project,
            request.dataset,
            recipe=request.recipe,
            params=request.params,
            base=request.base,
            reason=request.reason,
        )

    async def ListRuns(self, request: pb.ListRunsRequest, context: Any) -> pb.ListRunsResponse:
        """Newest first."""
        return pb.ListRunsResponse(runs=await self._runs.newest(request.project, _limit(request.limit)))

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.TrainingRun:
        """One, by its id or the beginning of it."""
        return await self._runs.get(request.run_id)

    async def CancelRun(self, request: pb.GetRunRequest, context: Any) -> pb.TrainingRun:
        """Asks it to stop."""
        return await self._runs.cancel(request.run_id)

    async def ListRollouts(self, request: pb.ListRolloutsRequest, context: Any) -> pb.ListRolloutsResponse:
        """Newest first."""
        return pb.ListRolloutsResponse(rollouts=await self._rollouts.newest(request.project, _limit(request.limit)))

    async def GetRollout(self, request: pb.GetRolloutRequest, context: Any) -> pb.Rollout:
        """One, by its id or the beginning of it."""
        return await self._rollouts.get(request.rollout_id)

    async def StartRollout(self, request: pb.StartRolloutRequest, context: Any) -> pb.Rollout:
        """Begins with the shadow."""
        return await self._rollouts.start(
            request.project or DEFAULT_PROJECT, request.model, list(request.cameras), request.reason
        )

    async def HoldRollout(self, request: pb.ChangeRolloutRequest, context: Any) -> pb.Rollout:
        """No step forward."""
        return await self._rollouts.hold(request.rollout_id, True, request.reason)

    async def ContinueRollout(self, request: pb.ChangeRolloutRequest, context: Any) -> pb.Rollout:
        """On it goes."""
        return await self._rollouts.hold(request.rollout_id, False, request.reason)

    async def StopRollout(self, request: pb.ChangeRolloutRequest, context: Any) -> pb.Rollout:
        """Back."""
        return await self._rollouts.stop(request.rollout_id, request.reason)

    async def GetServedBy(self, request: pb.GetServedByRequest, context: Any) -> pb.GetServedByResponse:
        """What served a camera at a time."""
        project = request.project or DEFAULT_PROJECT
        camera = next((each for each in self._fleet.cameras(project) if each.camera_id == request.camera_id), None)
        if camera is None:
            raise BadArgument(f"project {project!r} has no camera {request.camera_id!r}: see `cvops camera list`")
        log = await self._releases.log(project, request.at.ToDatetime(UTC))
        return pb.GetServedByResponse(releases=served_by(log, camera))


def _limit(wished: int) -> int:
    return min(wished or _LIMIT, _MOST)
