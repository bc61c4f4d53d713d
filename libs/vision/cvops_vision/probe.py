"""What an encoded image claims to be, read from its header; nothing is decoded.

Sources: ITU T.81 (JPEG markers), the PNG specification 1.2 (chunks), the WebP container specification (RIFF).
"""

from dataclasses import dataclass
from typing import Literal

from cvops_common.errors import BadImage
from cvops_vision.exif import orientation_of

Encoding = Literal["jpeg", "png", "webp"]

_OTHER_FORMATS = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"%PDF": "PDF",
    b"\0\0\x01\0": "ICO",
}
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_SUPPORTED_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive Huffman JPEG
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEND = "send a whole JPEG, PNG or WebP"


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an image may cost at most.

    Attributes:
        max_bytes: size of the encoded image, in bytes.
        max_pixels: width times height; bounds the memory of a decode, so it stops decompression bombs.
    """

    max_bytes: int = 16 * 2**20
    max_pixels: int = 50_000_000


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What the header tells.

    Attributes:
        encoding: "jpeg", "png" or "webp".
        width: of the upright image, that is after the EXIF orientation, in px.
        height: likewise.
        orientation: EXIF orientation of the stored bytes, 1..8; 1 is upright.
    """

    encoding: Encoding
    width: int
    height: int
    orientation: int = 1


DEFAULT_LIMITS = ImageLimits()


def probe(data: bytes | bytearray | memoryview, limits: ImageLimits = DEFAULT_LIMITS) -> ImageInfo:
    """Reads the header of an encoded image, in some microseconds.

    A good header does not prove that the pixels can be decoded; `decode_rgb` does.

    Raises:
        BadImage: with the reason `empty`, `not_an_image`, `unsupported_format`, `truncated`, `undecodable`,
            `too_many_bytes` or `too_many_pixels`.
    """
    if len(data) == 0:
        raise _refusal("empty", f"image has 0 bytes: {_SEND}")
    if len(data) > limits.max_bytes:
        raise _refusal(
            "too_many_bytes",
            f"image has {len(data)} bytes, expected {limits.max_bytes} at most: lower its size or its JPEG quality",
        )
    raw = data if isinstance(data, bytes) else bytes(data)
    info = _read(raw)
    if info.width < 1 or info.height < 1:
        raise _refusal("undecodable", f"{info.encoding} image claims {info.width}x{info.height} px: {_SEND}")
    if info.width * info.height > limits.max_pixels:
        raise _refusal(
            "too_many_pixels",
            f"image claims {info.width}x{info.height} px, expected {limits.max_pixels} px at most: scale it down",
        )
    return info


def _read(data: bytes) -> ImageInfo:
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(_PNG_SIGNATURE):
            return _png(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
    except IndexError as error:
        raise _refusal("truncated", f"image ends inside its header after {len(data)} bytes: {_SEND}") from error
    for signature, name in _OTHER_FORMATS.items():
        if data.startswith(signature):
            raise _refusal("unsupported_format", f"image is {name}, expected JPEG, PNG or WebP: convert it")
    if data[4:8] == b"ftyp":
        raise _refusal("unsupported_format", "image is HEIF, AVIF or a film, expected JPEG, PNG or WebP: convert it")
    if len(data) < len(_PNG_SIGNATURE) and _PNG_SIGNATURE.startswith(data):
        raise _refusal("truncated", f"image ends after {len(data)} bytes of its signature: {_SEND}")
    raise _refusal("not_an_image", f"{len(data)} bytes beginning with {data[:12]!r} are no image: {_SEND}")


def _jpeg(data: bytes) -> ImageInfo:
    orientation, size, position = 1, (0, 0), 2
    while True:
        if data[position] != 0xFF:
            raise _refusal("undecodable", f"JPEG has no marker at byte {position}: {_SEND}")
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            position += 2
            continue
        if marker == 0xD9:
            raise _refusal("undecodable", f"JPEG ends before its picture begins: {_SEND}")
        length = _u16(data, position + 2)
        if marker == 0xDA:
            break
        if marker == 0xE1 and data[position + 4 : position + 10] == b"Exif\0\0":
            orientation = orientation_of(data[position + 10 : position + 2 + length])
        elif marker in _FRAMES:
            size = _jpeg_size(data, marker, position + 4)
        position += 2 + max(length, 2)
    if size == (0, 0):
        raise _refusal("undecodable", f"JPEG has no frame header: {_SEND}")
    if data.rfind(b"\xff\xd9", position) < 0:
        raise _refusal(
            "truncated", f"JPEG of {len(data)} bytes has no end marker (FF D9), so its end is missing: {_SEND}"
        )
    return _upright("jpeg", *size, orientation)


def _jpeg_size(data: bytes, marker: int, at: int) -> tuple[int, int]:
    precision, height, width, components = data[at], _u16(data, at + 1), _u16(data, at + 3), data[at + 5]
    if marker not in _SUPPORTED_FRAMES or precision != 8 or components not in (1, 3):
        raise _refusal(
            "unsupported_format",
            f"JPEG has frame type {marker:#x}, {precision} bits and {components} components, expected a baseline or "
            "progressive one of 8 bits, grey or YCbCr: save it as an ordinary RGB JPEG",
        )
    return width, height


def _png(data: bytes) -> ImageInfo:
    if data[12:16] != b"IHDR":
        raise _refusal("undecodable" if len(data) > 16 else "truncated", f"PNG does not begin with its header: {_SEND}")
    width, height = _u32(data, 16), _u32(data, 20)
    if data.rfind(_PNG_END, 33) < 0:
        raise _refusal("truncated", f"PNG of {len(data)} bytes has no IEND chunk, so its end is missing: {_SEND}")
    orientation, position = 1, 33
    while (kind := data[position + 4 : position + 8]) not in (b"IDAT", b"IEND", b""):
        length = _u32(data, position)
        if kind == b"eXIf":
            orientation = orientation_of(data[position + 8 : position + 8 + length])
        position += 12 + length
    return _upright("png", width, height, orientation)


def _webp(data: bytes) -> ImageInfo:
    expected = int.from_bytes(data[4:8], "little") + 8
    if len(data) < expected:
        raise _refusal("truncated", f"WebP has {len(data)} bytes, expected {expected} by its header: {_SEND}")
    kind = data[12:16]
    if kind == b"VP8X":
        return _webp_extended(data, expected)
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return _upright("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 1)
    if kind == b"VP8 ":
        width = int.from_bytes(data[26:28], "little") & 0x3FFF
        return _upright("webp", width, int.from_bytes(data[28:30], "little") & 0x3FFF, 1)
    raise _refusal("undecodable", f"WebP begins with chunk {kind!r}, expected VP8, VP8L or VP8X: {_SEND}")


def _webp_extended(data: bytes, end: int) -> ImageInfo:
    flags = data[20]
    if flags & 0x02:
        raise _refusal("unsupported_format", "WebP is an animation, expected one picture: send its frames one by one")
    width = int.from_bytes(data[24:27], "little") + 1
    height = int.from_bytes(data[27:30], "little") + 1
    orientation, position = 1, 30
    while flags & 0x08 and position + 8 <= end:
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] == b"EXIF":
            orientation = orientation_of(data[position + 8 : position + 8 + length].removeprefix(b"Exif\0\0"))
            break
        position += 8 + length + (length & 1)
    return _upright("webp", width, height, orientation)


def _upright(encoding: Encoding, width: int, height: int, orientation: int) -> ImageInfo:
    if orientation >= 5:
        width, height = height, width
    return ImageInfo(encoding, width, height, orientation)


def _u16(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]


def _u32(data: bytes, at: int) -> int:
    return _u16(data, at) << 16 | _u16(data, at + 2)


def _refusal(reason: str, message: str) -> BadImage:
    return BadImage(message, reason=reason)
