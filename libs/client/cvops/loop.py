"""The closed loop: episodes, and its hand brake."""

from cvops.calls import Calls
from cvops.connection import Connection
from cvops_protos.v1 import alerting_pb2 as pb
from cvops_protos.v1.alerting_pb2_grpc import LoopStub


class Loop:
    """Episodes of a platform."""

    def __init__(self, connection: Connection) -> None:
        self._call = Calls(connection, "alerting", LoopStub)

    def close(self) -> None:
        """Closes the connection."""
        self._call.close()

    def episodes(self, project: str = "", limit: int = 50) -> list[pb.Episode]:
        """Episodes, newest first; of every project when none is named."""
        return list(self._call("ListEpisodes", pb.ListEpisodesRequest(project=project, limit=limit)).episodes)

    def episode(self, episode_id: str) -> pb.Episode:
        """One episode, by its id or the beginning of it.

        Raises:
            Refused: there is none, or more than one begins so.
        """
        found: pb.Episode = self._call("GetEpisode", pb.GetEpisodeRequest(episode_id=episode_id))
        return found

    def pause(self, project: str = "default", by: str = "somebody") -> pb.LoopStatus:
        """Pulls the hand brake: no episode begins, and open ones begin no new step."""
        status: pb.LoopStatus = self._call("PauseLoop", pb.PauseLoopRequest(project=project, by=by))
        return status

    def resume(self, project: str = "default", by: str = "somebody") -> pb.LoopStatus:
        """Releases the hand brake."""
        status: pb.LoopStatus = self._call("ResumeLoop", pb.PauseLoopRequest(project=project, by=by))
        return status

    def status(self, project: str = "default") -> pb.LoopStatus:
        """The hand brake, and how many episodes are open and began today."""
        status: pb.LoopStatus = self._call("GetLoop", pb.PauseLoopRequest(project=project))
        return status
