"""gRPC of the Open Inference Protocol: message -> one call -> message."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from cvops_common.errors import BadArgument, CvopsError
from cvops_inference.open_inference import InferRequest, InferResponse, OpenInference
from cvops_inference.tensors import DATATYPES, images_of, raw_of
from cvops_protos.v1 import open_inference_pb2 as pb
from cvops_protos.v1.open_inference_pb2_grpc import GRPCInferenceServiceServicer

_MAX_LIST_VALUES = 4096
_STREAM_WINDOW = 16


class OpenInferenceServicer(GRPCInferenceServiceServicer):
    """Open Inference Protocol v2."""

    def __init__(self, inference: OpenInference) -> None:
        self._inference = inference

    async def ServerLive(self, request: pb.ServerLiveRequest, context: Any) -> pb.ServerLiveResponse:
        """The process answers."""
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: pb.ServerReadyRequest, context: Any) -> pb.ServerReadyResponse:
        """Whether a model serves."""
        return pb.ServerReadyResponse(ready=self._inference.ready())

    async def ModelReady(self, request: pb.ModelReadyRequest, context: Any) -> pb.ModelReadyResponse:
        """Whether this model serves."""
        return pb.ModelReadyResponse(ready=self._inference.model_ready(request.name, request.version))

    async def ServerMetadata(self, request: pb.ServerMetadataRequest, context: Any) -> pb.ServerMetadataResponse:
        """Name and version."""
        name, version = self._inference.server()
        return pb.ServerMetadataResponse(name=name, version=version)

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, context: Any) -> pb.ModelMetadataResponse:
        """Inputs, outputs, classes."""
        info = self._inference.model(request.name, request.version)
        tensor = pb.ModelMetadataResponse.TensorMetadata
        return pb.ModelMetadataResponse(
            name=info.name,
            versions=info.versions,
            platform=info.platform,
            inputs=[tensor(name=t.name, datatype=t.datatype, shape=t.shape) for t in info.inputs],
            outputs=[tensor(name=t.name, datatype=t.datatype, shape=t.shape) for t in info.outputs],
            properties=info.properties,
        )

    async def ModelInfer(self, request: pb.ModelInferRequest, context: Any) -> pb.ModelInferResponse:
        """Predicts."""
        return _response(await self._inference.infer(_request(request, _traceparent(context))))

    async def ModelStreamInfer(self, request_iterator: Any, context: Any) -> AsyncIterator[pb.ModelStreamInferResponse]:
        """Predicts for each request, several at once, answers in their order."""
        traceparent = _traceparent(context)
        running: asyncio.Queue[asyncio.Task[pb.ModelStreamInferResponse] | None] = asyncio.Queue(_STREAM_WINDOW)

        async def read() -> None:
            async for request in request_iterator:
                await running.put(asyncio.create_task(self._stream_one(request, traceparent)))
            await running.put(None)

        reading = asyncio.create_task(read())
        try:
            while (task := await running.get()) is not None:
                yield await task
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
            while not running.empty():
                if (task := running.get_nowait()) is not None:
                    task.cancel()

    async def _stream_one(self, request: pb.ModelInferRequest, traceparent: str) -> pb.ModelStreamInferResponse:
        try:
            answer = await self._inference.infer(_request(request, traceparent))
        except CvopsError as error:
            failed = pb.ModelStreamInferResponse(error_message=str(error))
            failed.infer_response.id = request.id
            return failed
        return pb.ModelStreamInferResponse(infer_response=_response(answer))


def _request(request: pb.ModelInferRequest, traceparent: str) -> InferRequest:
    if len(request.inputs) != 1:
        raise BadArgument(f"the request has {len(request.inputs)} inputs, expected the one input 'image'")
    given = request.inputs[0]
    return InferRequest(
        model=request.model_name,
        version=request.model_version,
        id=request.id,
        images=images_of(given.name, given.datatype, list(given.shape), _raw(request, given)),
        outputs=frozenset(output.name for output in request.outputs),
        parameters={name: _value(value) for name, value in request.parameters.items()},
        traceparent=traceparent,
    )


def _raw(request: pb.ModelInferRequest, given: pb.ModelInferRequest.InferInputTensor) -> bytes:
    """The content of the input, from where the client put it."""
    if request.raw_input_contents:
        if len(request.raw_input_contents) != 1:
            raise BadArgument(f"raw_input_contents has {len(request.raw_input_contents)} entries for one input")
        return request.raw_input_contents[0]
    contents = given.contents
    if contents.fp32_contents or contents.fp64_contents:
        raise BadArgument(
            "input 'image' is a list of floats, expected BYTES or UINT8 in raw_input_contents: "
            "a list of floats costs a hundred times the image it holds"
        )
    if contents.bytes_contents:
        return b"".join(len(element).to_bytes(4, "little") + element for element in contents.bytes_contents)
    if len(contents.uint_contents) > _MAX_LIST_VALUES:
        raise BadArgument(
            f"input 'image' is a list of {len(contents.uint_contents)} numbers, expected at most {_MAX_LIST_VALUES}: "
            "send pixels as bytes in raw_input_contents"
        )
    try:
        return bytes(contents.uint_contents)
    except ValueError as error:
        raise BadArgument("input 'image' holds numbers above 255, expected UINT8") from error


def _value(parameter: pb.InferParameter) -> Any:
    kind = parameter.WhichOneof("parameter_choice")
    return getattr(parameter, kind) if kind else None


def _traceparent(context: Any) -> str:
    return next((str(value) for name, value in context.invocation_metadata() or () if name == "traceparent"), "")


def _response(answer: InferResponse) -> pb.ModelInferResponse:
    response = pb.ModelInferResponse(model_name=answer.model, model_version=answer.version, id=answer.id)
    for name, array in answer.outputs.items():
        response.outputs.add(name=name, datatype=DATATYPES[array.dtype], shape=array.shape)
        response.raw_output_contents.append(raw_of(array))
    return response
