"""What CPU work finds out about an image: that it is one, its statistics and its hash."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from cvops_common.errors import BadImage
from cvops_common.telemetry import logger
from cvops_vision.decode import decode_rgb
from cvops_vision.probe import ImageInfo, ImageLimits, probe
from cvops_vision.statistics import HEIGHT, WIDTH, ImageStats, grey_thumbnail, image_stats

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Inspection:
    """A good image: its header, statistics, SHA-256 (hexadecimal) and, when wished, a grey thumbnail (JPEG)."""

    info: ImageInfo
    stats: ImageStats
    sha256: str
    thumbnail: bytes = b""


@dataclass(frozen=True, slots=True)
class Wish:
    """An image to inspect, and whether a thumbnail of it is wished."""

    image: bytes
    thumbnail: bool = False


def inspect(wish: Wish, limits: ImageLimits) -> Inspection:
    """Proves that an image can be decoded, and measures it.

    Raises:
        BadImage: it is none, is damaged or exceeds a limit; see `probe` and `decode_rgb` for the reasons.
    """
    info = probe(wish.image, limits)
    reduced = decode_rgb(wish.image, info, min_width=WIDTH, min_height=HEIGHT)
    stats = image_stats(reduced, n_bytes=len(wish.image), width=info.width, height=info.height)
    return Inspection(info, stats, sha256(wish.image).hexdigest(), grey_thumbnail(reduced) if wish.thumbnail else b"")


def inspect_all(wishes: Sequence[Wish], limits: ImageLimits) -> list[Inspection | BadImage]:
    """Inspects several images in one go; a bad one does not disturb the others."""
    return [_finding(wish, limits) for wish in wishes]


def _finding(wish: Wish, limits: ImageLimits) -> Inspection | BadImage:
    try:
        return inspect(wish, limits)
    except BadImage as error:
        return error
    except Exception as error:
        # A decoder that fails in a way nobody foresaw must cost this one frame, not the camera's stream.
        log.exception("image could not be inspected", bytes=len(wish.image))
        return BadImage(f"image of {len(wish.image)} bytes cannot be decoded: {error!r}", reason="undecodable")
