"""What a header tells, and what is refused without a decode."""

import struct
import time
import zlib
from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image

from cvops_common.errors import BadImage
from cvops_vision.probe import ImageInfo, ImageLimits, probe


def encoded(form: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: object) -> bytes:
    buffer = BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(buffer, form, **options)
    return buffer.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def png_header(width: int, height: int) -> bytes:
    """A small PNG that claims any size, with right checksums."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def reason_of(data: bytes, limits: ImageLimits | None = None) -> str:
    with pytest.raises(BadImage) as caught:
        probe(data, limits or ImageLimits())
    return caught.value.reason


@pytest.mark.parametrize(
    ("form", "options", "encoding"),
    [
        ("jpeg", {}, "jpeg"),
        ("jpeg", {"progressive": True}, "jpeg"),
        ("png", {}, "png"),
        ("webp", {}, "webp"),
        ("webp", {"lossless": True}, "webp"),
    ],
)
def test_size_and_encoding_of_a_good_image_are_read(form: str, options: dict[str, object], encoding: str):
    assert probe(encoded(form, (70, 50), **options)) == ImageInfo(encoding, 70, 50, 1)


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
@pytest.mark.parametrize(("orientation", "size"), [(1, (70, 50)), (3, (70, 50)), (6, (50, 70)), (8, (50, 70))])
def test_the_size_is_that_of_the_upright_image(form: str, orientation: int, size: tuple[int, int]):
    info = probe(encoded(form, (70, 50), exif=exif(orientation)))
    assert (info.width, info.height) == size
    assert info.orientation == orientation


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_an_image_cut_anywhere_is_truncated(form: str):
    whole = encoded(form)
    for length in range(4 if form == "jpeg" else 12, len(whole) - 2, 7):
        assert reason_of(whole[:length]) == "truncated", length


def test_bytes_behind_the_end_of_a_jpeg_do_no_harm():
    assert probe(encoded("jpeg") + b"\0" * 512).width == 64


def test_the_end_marker_of_an_embedded_thumbnail_does_not_hide_a_cut():
    jpeg = encoded("jpeg")
    segment = b"\xff\xe2" + struct.pack(">H", 2 + len(jpeg)) + jpeg  # a whole JPEG inside an APP2 segment
    whole = jpeg[:2] + segment + jpeg[2:]
    assert probe(whole).width == 64
    assert reason_of(whole[:-40]) == "truncated"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, this is text", "not_an_image"),
        (b"\0" * 1000, "not_an_image"),
        (encoded("gif", mode="L"), "unsupported_format"),
        (encoded("bmp"), "unsupported_format"),
        (encoded("tiff"), "unsupported_format"),
        (encoded("jpeg", mode="CMYK"), "unsupported_format"),
        (b"\xff\xd8\xff\xd9", "undecodable"),
    ],
)
def test_what_is_no_usable_image_is_refused_with_its_reason(data: bytes, reason: str):
    assert reason_of(data) == reason


def test_a_decompression_bomb_is_refused_by_its_header():
    assert reason_of(png_header(60_000, 60_000)) == "too_many_pixels"
    assert reason_of(png_header(0, 60_000)) == "undecodable"


def test_the_message_names_what_was_found_and_what_was_expected():
    with pytest.raises(BadImage, match=r"101 bytes, expected 100 at most: lower"):
        probe(b"\xff\xd8\xff" + b"x" * 98, ImageLimits(max_bytes=100))
    with pytest.raises(BadImage, match=r"claims 64x48 px, expected 1000 px at most: scale"):
        probe(encoded("png"), ImageLimits(max_pixels=1000))


def test_no_damage_of_a_header_raises_anything_but_bad_image():
    for form in ("jpeg", "png", "webp"):
        whole = encoded(form, exif=exif(6))
        for position in range(min(len(whole), 400)):
            for value in (0x00, 0xFF, 0x80):
                damaged = bytearray(whole)
                damaged[position] = value
                try:
                    info = probe(bytes(damaged))
                except BadImage:
                    continue
                assert info.width > 0
                assert info.height > 0


def test_a_probe_is_cheap():
    jpeg = encoded("jpeg", (1920, 1080), quality=95)
    best = min(_seconds(lambda: [probe(jpeg) for _ in range(100)]) for _ in range(5)) / 100
    assert best < 100e-6


def _seconds(work: Callable[[], object]):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
