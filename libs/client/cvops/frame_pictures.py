"""Frames as small pictures that a page carries within itself."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

from PIL import Image, ImageDraw, ImageOps

from cvops.client import Client
from cvops.drawing import colour_of
from cvops.errors import ConnectionFailed, CvopsError
from cvops_protos.v1.labeling_pb2 import Annotation

_WIDTH, _QUALITY = 320, 75
_IGNORED = (150, 150, 150)


def images_of(client: Client, frame_ids: Iterable[str]) -> dict[str, bytes]:
    """The images of frames by id, as they were stored; what is not kept any more, or not shown to us, is left out."""
    found: dict[str, bytes] = {}
    for frame_id in dict.fromkeys(frame_ids):
        try:
            found[frame_id] = client.labeling.asset(frame_id=frame_id)
        except ConnectionFailed:
            break
        except CvopsError:
            continue
    return found


def source_of(jpeg: bytes) -> str:
    """What `src` of an `<img>` is, so that the picture lies in the page."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def figure(image: bytes, caption: str, annotations: Sequence[Annotation] = (), classes: Sequence[str] = ()) -> str:
    """A picture of 320 px with its caption as HTML; empty when the image cannot be read.

    Args:
        image: JPEG, PNG or WebP.
        caption: below it.
        annotations: whose boxes are drawn, in px of the image; those to be ignored in grey.
        classes: names that keep their colour from picture to picture.
    """
    try:
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(image))).convert("RGB")
    except OSError:
        return ""
    scale = _WIDTH / upright.width
    small = upright.resize((_WIDTH, max(1, round(upright.height * scale))))
    canvas = ImageDraw.Draw(small)
    for each in annotations:
        if not each.HasField("box"):
            continue
        box = each.box
        corners = [value * scale for value in (box.left, box.top, box.left + box.width, box.top + box.height)]
        known = each.class_name in classes and not each.ignore
        canvas.rectangle(corners, outline=colour_of(classes.index(each.class_name)) if known else _IGNORED)
    encoded = io.BytesIO()
    small.save(encoded, "JPEG", quality=_QUALITY)
    source = source_of(encoded.getvalue())
    return f'<figure><img src="{source}" width={_WIDTH} alt=""><figcaption>{escape(caption)}</figcaption></figure>'
