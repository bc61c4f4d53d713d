"""gRPC: message -> one call -> message. Errors become status codes in the interceptor."""

from collections.abc import AsyncIterator
from typing import Any

from cvops_common.errors import BadArgument
from cvops_protos.v1 import trainer_pb2 as pb
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.trainer_pb2_grpc import ModelsServicer as Generated
from cvops_trainer.registry import Registry
from cvops_trainer.releases import Releases, Wish


class ModelsServicer(Generated):
    """The store of model versions and their releases."""

    def __init__(self, registry: Registry, releases: Releases) -> None:
        self._registry = registry
        self._releases = releases

    async def UploadBundle(self, request_iterator: Any, context: Any) -> pb.ModelVersion:
        """Takes a bundle in."""
        pieces = aiter(request_iterator)
        first = await anext(pieces, None)
        if first is None or not first.sha256:
            raise BadArgument("the first piece of a bundle must name its sha256")

        async def chunks() -> AsyncIterator[bytes]:
            yield first.chunk
            async for piece in pieces:
                yield piece.chunk

        return await self._registry.add(first.sha256, chunks())

    async def GetModel(self, request: pb.GetModelRequest, context: Any) -> pb.ModelVersion:
        """One version, with what its bundle says."""
        return await self._registry.find(request.model, whole=True)

    async def SetAlias(self, request: pb.SetAliasRequest, context: Any) -> pb.ModelVersion:
        """Names a version, or takes its name away."""
        if request.remove:
            return await self._registry.remove_alias(request.model, request.alias)
        return await self._registry.set_alias(request.model, request.alias)

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        """Versions and what serves."""
        return pb.ListModelsResponse(
            versions=await self._registry.list(request.name), releases=await self._releases.serving()
        )

    async def ReleaseModel(self, request: pb.ReleaseModelRequest, context: Any) -> ModelReleased:
        """Puts a model into a slot."""
        return await self._releases.release(
            Wish(
                model=request.model,
                project=request.project,
                slot=request.slot,
                stage=request.stage,
                selector=request.selector,
                percent=request.percent,
                reason=request.reason,
            )
        )

    async def RollbackModel(self, request: pb.RollbackModelRequest, context: Any) -> ModelReleased:
        """Gives a slot back to what held it before."""
        return await self._releases.rollback(request.project, request.slot, request.reason)

    async def WithdrawModel(self, request: pb.WithdrawModelRequest, context: Any) -> ModelReleased:
        """Empties a slot."""
        return await self._releases.withdraw(request.project, request.slot, request.reason)
