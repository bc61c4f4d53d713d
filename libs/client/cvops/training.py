"""Training runs, and candidates on their way to the cameras."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from cvops.calls import Calls
from cvops.connection import Connection
from cvops_protos.v1 import training_pb2 as pb
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.training_pb2_grpc import TrainingStub


class Training:
    """Runs and rollouts of a platform."""

    def __init__(self, connection: Connection) -> None:
        self._call = Calls(connection, "trainer", TrainingStub)

    def close(self) -> None:
        """Closes the connection."""
        self._call.close()

    # -- runs --------------------------------------------------------------------------------------------------

    def start(
        self,
        dataset: str,
        *,
        project: str = "",
        recipe: str = "",
        params: Mapping[str, str] | None = None,
        base: str = "",
        reason: str = "",
    ) -> pb.TrainingRun:
        """Queues a run on "name" (newest version) or "name:version" of a dataset.

        Args:
            dataset: to train on.
            project: empty: "default".
            recipe: empty: of the project.
            params: of the recipe, over those of the project.
            base: model to begin from; empty: the champion; "none": from nothing.
            reason: why, in one sentence.

        Raises:
            Refused: no such dataset or model.
        """
        request = pb.StartRunRequest(
            project=project, dataset=dataset, recipe=recipe, params=params or {}, base=base, reason=reason
        )
        run: pb.TrainingRun = self._call("StartRun", request)
        return run

    def runs(self, project: str = "", limit: int = 50) -> list[pb.TrainingRun]:
        """Runs, newest first."""
        return list(self._call("ListRuns", pb.ListRunsRequest(project=project, limit=limit)).runs)

    def run(self, run_id: str) -> pb.TrainingRun:
        """One run, by its id or the beginning of it."""
        run: pb.TrainingRun = self._call("GetRun", pb.GetRunRequest(run_id=run_id))
        return run

    def cancel(self, run_id: str) -> pb.TrainingRun:
        """Asks a run to stop."""
        run: pb.TrainingRun = self._call("CancelRun", pb.GetRunRequest(run_id=run_id))
        return run

    # -- rollouts ----------------------------------------------------------------------------------------------

    def rollouts(self, project: str = "", limit: int = 50) -> list[pb.Rollout]:
        """Rollouts, newest first."""
        return list(self._call("ListRollouts", pb.ListRolloutsRequest(project=project, limit=limit)).rollouts)

    def rollout(self, rollout_id: str) -> pb.Rollout:
        """One rollout, by its id or the beginning of it."""
        found: pb.Rollout = self._call("GetRollout", pb.GetRolloutRequest(rollout_id=rollout_id))
        return found

    def start_rollout(self, project: str, model: str, cameras: Sequence[str] = (), reason: str = "") -> pb.Rollout:
        """Tries a registered model, "name:version", beside the champion; on all cameras when none is named."""
        request = pb.StartRolloutRequest(project=project, model=model, cameras=cameras, reason=reason)
        rollout: pb.Rollout = self._call("StartRollout", request)
        return rollout

    def hold(self, rollout_id: str, reason: str = "") -> pb.Rollout:
        """No step forward until it is continued; bad evidence rolls it back all the same."""
        rollout: pb.Rollout = self._call("HoldRollout", pb.ChangeRolloutRequest(rollout_id=rollout_id, reason=reason))
        return rollout

    def go_on(self, rollout_id: str, reason: str = "") -> pb.Rollout:
        """Lets a held rollout go on."""
        request = pb.ChangeRolloutRequest(rollout_id=rollout_id, reason=reason)
        rollout: pb.Rollout = self._call("ContinueRollout", request)
        return rollout

    def stop(self, rollout_id: str, reason: str = "") -> pb.Rollout:
        """Rolls back."""
        rollout: pb.Rollout = self._call("StopRollout", pb.ChangeRolloutRequest(rollout_id=rollout_id, reason=reason))
        return rollout

    def served_by(self, camera_id: str, at: datetime, project: str = "") -> list[ModelReleased]:
        """The releases that served a camera at a time (aware); those that count first, shadows last."""
        request = pb.GetServedByRequest(camera_id=camera_id, project=project)
        request.at.FromDatetime(at)
        return list(self._call("GetServedBy", request).releases)
