"""The event of a stored frame."""

from cvops_ingest.inspection import Inspection
from cvops_ingest.upload import Upload
from cvops_protos.v1.frame_pb2 import Frame
from cvops_protos.v1.image_pb2 import (
    IMAGE_ENCODING_JPEG,
    IMAGE_ENCODING_PNG,
    IMAGE_ENCODING_WEBP,
    ObjectRange,
)
from cvops_vision.statistics_message import statistics_message

_ENCODINGS = {"jpeg": IMAGE_ENCODING_JPEG, "png": IMAGE_ENCODING_PNG, "webp": IMAGE_ENCODING_WEBP}


def frame_event(upload: Upload, frame_id: str, inspection: Inspection, *, project: str, uri: str, offset: int) -> Frame:
    """The event that tells everybody of a frame, stored at `offset` of the object `uri`."""
    info = inspection.info
    event = Frame(
        frame_id=frame_id,
        camera_id=upload.camera_id,
        project=project,
        sequence=upload.sequence,
        sha256=inspection.sha256,
        encoding=_ENCODINGS[info.encoding],
        width=info.width,
        height=info.height,
        where=ObjectRange(uri=uri, offset=offset, length=len(upload.image)),
        stats=statistics_message(inspection.stats, inspection.thumbnail),
        config_revision=upload.config_revision,
        orientation=info.orientation,
        stream=upload.stream,
    )
    event.captured_at.FromNanoseconds(upload.captured_at_ns)
    event.received_at.FromNanoseconds(upload.received_at_ns)
    return event
