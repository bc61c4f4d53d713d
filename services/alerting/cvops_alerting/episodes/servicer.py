"""gRPC of the loop: message -> one call -> message."""

from typing import Any

from cvops_alerting.episodes.episodes import Episodes
from cvops_alerting.episodes.store import EpisodeStore
from cvops_protos.v1 import alerting_pb2 as pb
from cvops_protos.v1.alerting_pb2_grpc import LoopServicer as Generated

_DEFAULT_PROJECT = "default"
_DEFAULT_LIMIT, _MOST = 50, 1000


class LoopServicer(Generated):
    """Episodes, and the hand brake."""

    def __init__(self, store: EpisodeStore, episodes: Episodes) -> None:
        self._store = store
        self._episodes = episodes

    async def ListEpisodes(self, request: pb.ListEpisodesRequest, context: Any) -> pb.ListEpisodesResponse:
        """Newest first."""
        limit = min(request.limit or _DEFAULT_LIMIT, _MOST)
        return pb.ListEpisodesResponse(episodes=await self._store.newest(request.project, limit))

    async def GetEpisode(self, request: pb.GetEpisodeRequest, context: Any) -> pb.Episode:
        """One, by its id or the beginning of it."""
        return await self._store.get(request.episode_id)

    async def PauseLoop(self, request: pb.PauseLoopRequest, context: Any) -> pb.LoopStatus:
        """The hand brake."""
        return await self._set(request, paused=True)

    async def ResumeLoop(self, request: pb.PauseLoopRequest, context: Any) -> pb.LoopStatus:
        """On it goes."""
        return await self._set(request, paused=False)

    async def GetLoop(self, request: pb.PauseLoopRequest, context: Any) -> pb.LoopStatus:
        """Brake and limits."""
        return await self._episodes.status(request.project or _DEFAULT_PROJECT)

    async def _set(self, request: pb.PauseLoopRequest, *, paused: bool) -> pb.LoopStatus:
        project = request.project or _DEFAULT_PROJECT
        await self._store.set_paused(project, paused, request.by or "somebody")
        return await self._episodes.status(project)
