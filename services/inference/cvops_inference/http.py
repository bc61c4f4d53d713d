"""REST of the Open Inference Protocol v2, with the binary tensor extension."""

import base64
import binascii
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cvops_common.access import Role
from cvops_common.app import HttpRoute
from cvops_common.errors import BadArgument
from cvops_inference.open_inference import InferRequest, InferResponse, OpenInference
from cvops_inference.tensors import DATATYPES, images_of, raw_of

_BINARY_HEADER = "inference-header-content-length"
_MAX_BODY_BYTES = 64 * 1024 * 1024
_MAX_LIST_VALUES = 4096
_CALLERS = frozenset({Role.APP, Role.OPERATOR})


def routes(inference: OpenInference) -> list[HttpRoute]:
    """The endpoints of the protocol."""

    async def live(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(_: Request) -> Response:
        return _status(inference.ready())

    async def server(_: Request) -> Response:
        name, version = inference.server()
        return JSONResponse({"name": name, "version": version, "extensions": ["binary_tensor_data"]})

    async def model(request: Request) -> Response:
        info = inference.model(*_model_of(request))
        tensors = {
            side: [{"name": t.name, "datatype": t.datatype, "shape": list(t.shape)} for t in getattr(info, side)]
            for side in ("inputs", "outputs")
        }
        return JSONResponse(
            {"name": info.name, "versions": list(info.versions), "platform": info.platform}
            | tensors
            | {"parameters": dict(info.properties)}
        )

    async def model_ready(request: Request) -> Response:
        return _status(inference.model_ready(*_model_of(request)))

    async def infer(request: Request) -> Response:
        body = await _body(request)
        length = request.headers.get(_BINARY_HEADER)
        call, binary = _request(request, body, None if length is None else _integer(_BINARY_HEADER, length))
        return _answer(await inference.infer(call), binary=binary)

    paths: list[tuple[str, Any, str]] = [
        ("/v2/health/live", live, "GET"),
        ("/v2/health/ready", ready, "GET"),
        ("/v2", server, "GET"),
    ]
    for base in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        paths += [(base, model, "GET"), (f"{base}/ready", model_ready, "GET"), (f"{base}/infer", infer, "POST")]
    return [HttpRoute(path, endpoint, _CALLERS, (method,)) for path, endpoint, method in paths]


def _status(well: bool) -> Response:
    return JSONResponse({"ready": well}, status_code=200 if well else 503)


def _model_of(request: Request) -> tuple[str, str]:
    return request.path_params["name"], request.path_params.get("version", "")


async def _body(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _MAX_BODY_BYTES:
            raise BadArgument(f"the request is larger than {_MAX_BODY_BYTES >> 20} MiB: send fewer images at once")
        chunks.append(chunk)
    return b"".join(chunks)


def _request(request: Request, body: bytes, header_length: int | None) -> tuple[InferRequest, bool]:
    """The call, and whether its outputs are wanted as binary."""
    try:
        document = json.loads(body if header_length is None else body[:header_length])
        given = document["inputs"]
        if len(given) != 1:
            raise BadArgument(f"the request has {len(given)} inputs, expected the one input 'image'")
        name, datatype, shape = given[0]["name"], given[0]["datatype"], [int(side) for side in given[0]["shape"]]
    except (ValueError, KeyError, TypeError) as error:
        raise BadArgument(f"the request is no JSON of the Open Inference Protocol v2: {error!r}") from error
    raw = _content(given[0], datatype) if header_length is None else body[header_length:]
    wanted = document.get("outputs", [])
    parameters = document.get("parameters", {})
    name_of_model, version = _model_of(request)
    call = InferRequest(
        model=name_of_model,
        version=version,
        id=str(document.get("id", "")),
        images=images_of(name, datatype, shape, raw),
        outputs=frozenset(output["name"] for output in wanted),
        parameters=parameters,
        traceparent=request.headers.get("traceparent", ""),
    )
    binary = bool(parameters.get("binary_data_output")) or any(
        output.get("parameters", {}).get("binary_data") for output in wanted
    )
    return call, binary


def _content(given: dict[str, Any], datatype: str) -> bytes:
    """The content of an input in JSON: base64 text for BYTES, numbers for UINT8."""
    data = given.get("data", [])
    try:
        if datatype == "BYTES":
            elements = [base64.b64decode(element, validate=True) for element in data]
            return b"".join(len(element).to_bytes(4, "little") + element for element in elements)
        values = np.asarray(data).reshape(-1)
    except (binascii.Error, TypeError, ValueError) as error:
        raise BadArgument(f"data of input 'image' cannot be read: {error}; BYTES are base64 text") from error
    if values.size > _MAX_LIST_VALUES:
        raise BadArgument(
            f"input 'image' is a list of {values.size} numbers, expected at most {_MAX_LIST_VALUES}: send an encoded "
            "image as BYTES, or pixels with the binary tensor extension"
        )
    if values.size and (values.min() < 0 or values.max() > 255):
        raise BadArgument("input 'image' holds numbers outside 0..255, expected UINT8")
    return values.astype(np.uint8).tobytes()


def _answer(answer: InferResponse, *, binary: bool) -> Response:
    outputs, tail = [], []
    for name, array in answer.outputs.items():
        output: dict[str, Any] = {"name": name, "datatype": DATATYPES[array.dtype], "shape": list(array.shape)}
        if binary:
            tail.append(raw_of(array))
            output["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            output["data"] = _flat(array)
        outputs.append(output)
    document = {"model_name": answer.model, "model_version": answer.version, "id": answer.id, "outputs": outputs}
    if not binary:
        return JSONResponse(document)
    head = json.dumps(document).encode()
    return Response(
        b"".join([head, *tail]),
        media_type="application/octet-stream",
        headers={"Inference-Header-Content-Length": str(len(head))},
    )


def _flat(array: NDArray[Any]) -> list[Any]:
    flat: list[Any] = array.reshape(-1).tolist()
    return flat


def _integer(name: str, text: str) -> int:
    if not text.isdigit():
        raise BadArgument(f"header {name} is {text!r}, expected a number of bytes")
    return int(text)
