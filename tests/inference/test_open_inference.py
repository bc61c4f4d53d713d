"""The Open Inference Protocol over gRPC and REST, as apps see it."""

import asyncio
import base64
import http.client
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
import numpy as np
import pytest

from cvops_bundles.bundle import Bundle
from cvops_protos.v1 import open_inference_pb2 as pb
from cvops_protos.v1.open_inference_pb2_grpc import GRPCInferenceServiceStub
from cvops_protos.v1.prediction_pb2 import Prediction
from tests.inference.conftest import Running, box_of, detections, picture, png

pytestmark = pytest.mark.engines

INVALID = grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture
async def name(inference: Running, make_bundle: Callable[..., Bundle], project: str) -> str:
    """A model that serves."""
    await inference.release(make_bundle(project), project, project)
    return project


def infer(name: str, *images: bytes, **parameters: Any) -> pb.ModelInferRequest:
    """A request with encoded images."""
    request = pb.ModelInferRequest(model_name=name, id="42")
    request.inputs.add(name="image", datatype="BYTES", shape=[len(images)])
    request.raw_input_contents.append(b"".join(len(image).to_bytes(4, "little") + image for image in images))
    for key, value in parameters.items():
        kind = "double_param" if isinstance(value, float) else "string_param"
        setattr(request.parameters[key], kind, value)
    return request


def pixels(name: str, image: np.ndarray) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name=name)
    request.inputs.add(name="image", datatype="UINT8", shape=image.shape)
    request.raw_input_contents.append(image.tobytes())
    return request


def arrays(response: pb.ModelInferResponse) -> dict[str, np.ndarray]:
    types = {"FP32": "<f4", "INT32": "<i4"}
    return {
        output.name: np.frombuffer(raw, types[output.datatype]).reshape(list(output.shape))
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
    }


async def test_a_model_tells_what_it_takes_and_gives(inference: Running, name: str) -> None:
    assert (await inference.call("ServerLive", pb.ServerLiveRequest())).live
    assert (await inference.call("ServerReady", pb.ServerReadyRequest())).ready
    assert (await inference.call("ServerMetadata", pb.ServerMetadataRequest())).name == "cvops"
    info = await inference.call("ModelMetadata", pb.ModelMetadataRequest(name=name))
    assert [(t.name, t.datatype, list(t.shape)) for t in info.inputs] == [("image", "BYTES", [-1])]
    assert [t.name for t in info.outputs] == ["boxes", "scores", "class_ids", "image_index", "embedding"]
    assert json.loads(info.properties["classes"]) == ["red", "green", "blue"]
    assert not (await inference.call("ModelReady", pb.ModelReadyRequest(name="nobody"))).ready


async def test_encoded_images_are_answered_in_one_request(inference: Running, name: str) -> None:
    response = await inference.call("ModelInfer", infer(name, *(png(picture(n, n)) for n in range(3))))
    found = arrays(response)
    assert (response.id, response.model_name, response.model_version) == ("42", name, "1")
    assert found["boxes"].tolist() == [box_of(0), box_of(1), box_of(2)]
    assert found["class_ids"].tolist() == [0, 1, 2]
    assert found["image_index"].tolist() == [0, 1, 2]
    assert found["embedding"].shape == (3, 3)


async def test_pixels_are_answered_as_the_same_image_encoded(inference: Running, name: str) -> None:
    image = np.random.default_rng(3).integers(0, 255, (48, 64, 3), np.uint8)
    encoded = arrays(await inference.call("ModelInfer", infer(name, png(image), score_threshold=0.0)))
    request = pixels(name, image)
    request.parameters["score_threshold"].double_param = 0.0
    given = arrays(await inference.call("ModelInfer", request))
    assert given.keys() == encoded.keys()
    for key, array in encoded.items():
        assert np.array_equal(array, given[key])


async def test_a_call_is_published_as_a_prediction_with_its_image(inference: Running, name: str) -> None:
    camera_id = f"app-{name}"
    image = png(picture(9))
    await inference.call("ModelInfer", infer(name, image, camera_id=camera_id))
    (prediction,) = await inference.predictions(camera_id, 1)
    assert prediction.source == Prediction.SOURCE_RPC
    assert detections(prediction) == ([box_of(9)], [1.0], [0])
    assert await inference.objects.get(prediction.where.uri) == image
    assert prediction.stats.bytes == len(image)
    assert prediction.stats.brightness_mean == pytest.approx(255 * 0.299 / 48, abs=0.5)  # one red cell of 48


def _no_input(request: pb.ModelInferRequest) -> None:
    del request.inputs[:]


def _other_name(request: pb.ModelInferRequest) -> None:
    request.inputs[0].name = "pixels"


def _floats(request: pb.ModelInferRequest) -> None:
    del request.raw_input_contents[:]
    request.inputs[0].datatype = "FP32"
    request.inputs[0].contents.fp32_contents.extend([0.5] * 10)


def _short(request: pb.ModelInferRequest) -> None:
    request.raw_input_contents[0] = request.raw_input_contents[0][:-1]


def _two_of_one(request: pb.ModelInferRequest) -> None:
    request.inputs[0].shape[0] = 2


def _unknown_output(request: pb.ModelInferRequest) -> None:
    request.outputs.add(name="masks")


def _threshold(request: pb.ModelInferRequest) -> None:
    request.parameters["score_threshold"].double_param = 7.0


def _no_image(request: pb.ModelInferRequest) -> None:
    request.raw_input_contents[0] = (5).to_bytes(4, "little") + b"words"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_no_input, ["0 inputs", "'image'"]),
        (_other_name, ["'pixels'", "'image'"]),
        (_floats, ["floats", "raw_input_contents"]),
        (_short, ["element 0 of 1"]),
        (_two_of_one, ["element 1 of 2"]),
        (_unknown_output, ["masks", "boxes"]),
        (_threshold, ["7.0", "0 to 1"]),
        (_no_image, ["image"]),
    ],
)
async def test_a_wrong_request_is_told_what_was_expected(
    inference: Running, name: str, spoil: Callable[[pb.ModelInferRequest], None], words: list[str]
) -> None:
    request = infer(name, png(picture(0)))
    spoil(request)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await inference.call("ModelInfer", request)
    assert caught.value.code() is INVALID
    for word in words:
        assert word in str(caught.value.details())


async def test_a_model_or_version_that_does_not_serve_is_named(inference: Running, name: str) -> None:
    for request in (infer("nobody", png(picture(0))), infer(name, png(picture(0)))):
        request.model_version = "9"
        with pytest.raises(grpc.aio.AioRpcError, match="does not serve") as caught:
            await inference.call("ModelInfer", request)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_more_images_than_may_wait_are_refused_and_may_come_again(inference: Running, name: str) -> None:
    image, most = png(picture(0)), inference.settings.queue_limit
    with pytest.raises(grpc.aio.AioRpcError, match=f"64 more exceed the limit of {most}") as caught:
        await inference.call("ModelInfer", infer(name, *[image] * 64))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert ("cvops-reason", "overloaded") in tuple(caught.value.trailing_metadata())
    assert arrays(await inference.call("ModelInfer", infer(name, image)))["boxes"].tolist() == [box_of(0)]


async def test_a_call_without_a_key_is_refused(inference: Running, name: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await GRPCInferenceServiceStub(inference.channel).ModelInfer(infer(name, png(picture(0))))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_stream_is_answered_in_order_and_a_bad_request_does_not_end_it(inference: Running, name: str) -> None:
    async def requests() -> AsyncIterator[pb.ModelInferRequest]:
        for n in range(40):
            yield infer(name, b"words" if n == 7 else png(picture(n)))

    stub = GRPCInferenceServiceStub(inference.channel)
    answers = [answer async for answer in stub.ModelStreamInfer(requests(), metadata=inference.metadata)]
    assert len(answers) == 40
    assert "image" in answers[7].error_message
    for n in (n for n in range(40) if n != 7):
        assert arrays(answers[n].infer_response)["boxes"].tolist() == [box_of(n)]


def _asked(
    address: str, path: str, body: bytes | None, headers: Mapping[str, str]
) -> tuple[int, Mapping[str, str], bytes]:
    connection = http.client.HTTPConnection(address, timeout=20)
    try:
        connection.request("GET" if body is None else "POST", f"/v2/{path}", body, dict(headers))
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


async def rest(inference: Running, path: str, document: Any = None, **headers: str) -> tuple[int, Any]:
    """Status and JSON of a REST call; a POST when there is a document."""
    body = None if document is None else json.dumps(document).encode()
    asked = asyncio.to_thread(_asked, inference.settings.http_listen, path, body, dict(inference.metadata) | headers)
    status, _, answer = await asked
    return status, json.loads(answer)


async def test_rest_answers_as_grpc_does(inference: Running, name: str) -> None:
    image = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(png(picture(4))).decode()]}
    assert (await rest(inference, "health/ready"))[0] == 200
    assert (await rest(inference, f"models/{name}"))[1]["versions"] == ["1"]
    status, answer = await rest(inference, f"models/{name}/infer", {"id": "7", "inputs": [image]})
    outputs = {output["name"]: output for output in answer["outputs"]}
    assert (status, answer["id"], outputs["boxes"]["data"]) == (200, "7", box_of(4))
    status, wrong = await rest(inference, f"models/{name}/infer", {"inputs": [image | {"name": "pixels"}]})
    assert (status, "'pixels'" in str(wrong)) == (400, True)
    assert (await rest(inference, "models/nobody/infer", {"inputs": [image]}))[0] == 404
    assert (await rest(inference, f"models/{name}", authorization="Bearer none"))[0] == 401


async def test_rest_takes_and_gives_binary_tensors(inference: Running, name: str) -> None:
    image = picture(11)
    tensor = {"name": "image", "datatype": "UINT8", "shape": [48, 64, 3]}
    document = {
        "inputs": [tensor | {"parameters": {"binary_data_size": image.nbytes}}],
        "outputs": [{"name": "boxes"}],
        "parameters": {"binary_data_output": True},
    }
    head = json.dumps(document).encode()
    headers = dict(inference.metadata) | {"Inference-Header-Content-Length": str(len(head))}
    status, found, answer = await asyncio.to_thread(
        _asked, inference.settings.http_listen, f"models/{name}/infer", head + image.tobytes(), headers
    )
    assert status == 200
    length = int(found["Inference-Header-Content-Length"])
    (boxes,) = json.loads(answer[:length])["outputs"]
    assert boxes["shape"] == [1, 4]
    assert np.frombuffer(answer[length:], "<f4").tolist() == box_of(11)
