"""HTTP: one picture as the body of a POST, for devices that speak nothing else."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from time import time_ns

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cvops_common.access import allow_camera, principal
from cvops_common.errors import BadArgument
from cvops_ingest.service import Ingest
from cvops_ingest.servicer import traced
from cvops_ingest.upload import Outcome, Receipt, Upload

PATH = "/v1/cameras/{camera_id}/frames"

_STATUS_OF_REASON = {"too_many_bytes": 413, "unsupported_format": 415, "unknown_camera": 404}


def frames_endpoint(ingest: Ingest, *, max_bytes: int) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint: the encoded image as the body, a receipt as JSON back.

    Headers: X-Captured-At (RFC 3339; default now), and X-Sequence with X-Stream for pictures that are counted.
    """

    async def post_frame(request: Request) -> Response:
        camera_id = request.path_params["camera_id"]
        allow_camera(principal(), camera_id)
        ingest.cameras.get(camera_id)
        image = await _body(request, max_bytes)
        if image is None:
            message = f"image has more than {max_bytes} bytes: lower its size or its JPEG quality"
            return JSONResponse({"reason": "too_many_bytes", "message": message}, 413, {"connection": "close"})
        return _answer(await ingest.push(_upload(request, camera_id, image)))

    return post_frame


async def _body(request: Request, max_bytes: int) -> bytes | None:
    """The body; None as soon as it is known to exceed `max_bytes`."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            return None
    return bytes(body)


def _upload(request: Request, camera_id: str, image: bytes) -> Upload:
    received_at_ns = time_ns()
    captured_at = request.headers.get("x-captured-at")
    sequence = request.headers.get("x-sequence", "0")
    if not (sequence.isascii() and sequence.isdecimal()):
        raise BadArgument(f"header X-Sequence {sequence[:80]!r} is not understood: expected a count from 0")
    return Upload(
        camera_id=camera_id,
        captured_at_ns=received_at_ns if captured_at is None else _nanoseconds(captured_at),
        received_at_ns=received_at_ns,
        image=image,
        stream=request.headers.get("x-stream", ""),
        sequence=int(sequence[:20]),
        traceparent=traced(request.headers.get("traceparent", "")),
    )


def _nanoseconds(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise BadArgument(
            f"header X-Captured-At {text[:80]!r} is not understood: expected a time with its zone, "
            "e.g. 2026-11-23T14:05:00.250Z"
        )
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000


def _answer(receipt: Receipt) -> Response:
    if receipt.outcome is Outcome.REJECTED:
        status = _STATUS_OF_REASON.get(receipt.reason, 400)
        return JSONResponse({"reason": receipt.reason, "message": receipt.message}, status)
    body = {"status": receipt.outcome, "frame_id": receipt.frame_id, "sequence": receipt.sequence}
    return JSONResponse(body, 201 if receipt.outcome is Outcome.STORED else 200)
