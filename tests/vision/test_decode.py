"""Pixels come out upright and whole, or not at all."""

from io import BytesIO

import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageOps

from cvops_common.errors import BadImage
from cvops_vision.decode import decode_rgb
from cvops_vision.probe import probe


def picture(width: int = 96, height: int = 64) -> np.ndarray:
    """Smooth, and different in every corner and channel."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height)], axis=2).astype(np.uint8)


def encoded(form: str, orientation: int = 1, pixels: np.ndarray | None = None, **options: object) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    buffer = BytesIO()
    Image.fromarray(picture() if pixels is None else pixels).save(buffer, form, exif=tags, **options)
    return buffer.getvalue()


def test_a_png_comes_out_as_it_went_in():
    data = encoded("png")
    assert np.array_equal(decode_rgb(data, probe(data)), picture())


@pytest.mark.parametrize(("form", "options"), [("jpeg", {"quality": 95}), ("webp", {"quality": 95})])
def test_lossy_images_come_out_close_and_in_rgb_order(form: str, options: dict[str, object]):
    data = encoded(form, **options)
    image = decode_rgb(data, probe(data))
    assert np.abs(image.astype(int) - picture()).mean() < 4


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_applied_as_pillow_does(form: str, orientation: int):
    data = encoded(form, orientation, lossless=True) if form == "webp" else encoded(form, orientation)
    info = probe(data)
    image = decode_rgb(data, info)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB")).astype(int)
    assert image.shape == (info.height, info.width, 3)
    assert image.flags.c_contiguous
    assert np.abs(image - expected).mean() < 3


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_reduced_decode_keeps_the_minimum_of_the_upright_image(form: str, orientation: int):
    data = encoded(form, orientation, picture(1280, 720))
    info = probe(data)
    image = decode_rgb(data, info, min_width=320, min_height=240)
    assert 320 <= image.shape[1] < info.width
    assert 240 <= image.shape[0] < info.height
    full = decode_rgb(data, info)
    assert np.abs(image.mean((0, 1)) - full.mean((0, 1))).max() < 2


def test_a_minimum_beyond_the_image_leaves_its_size():
    for form in ("jpeg", "png"):
        data = encoded(form)
        assert decode_rgb(data, probe(data), min_width=320, min_height=240).shape == (64, 96, 3)


@pytest.mark.parametrize("reduced", [{}, {"min_width": 320, "min_height": 240}])
def test_a_jpeg_that_was_cut_and_closed_again_is_truncated(reduced: dict[str, int]):
    whole = simplejpeg.encode_jpeg(picture(640, 480), quality=90)
    cut = whole[: len(whole) // 2] + b"\xff\xd9"
    info = probe(cut)
    with pytest.raises(BadImage) as caught:
        decode_rgb(cut, info, **reduced)
    assert caught.value.reason == "truncated"


@pytest.mark.parametrize("reduced", [{}, {"min_width": 320, "min_height": 240}])
@pytest.mark.parametrize("form", ["jpeg", "png"])
def test_damaged_pixels_are_found(form: str, reduced: dict[str, int], capfd: pytest.CaptureFixture[str]):
    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    whole = bytearray(encoded(form, 1, noise))
    middle = len(whole) // 2
    whole[middle : middle + 400] = b"\xff\xd0" * 200
    info = probe(bytes(whole))
    with pytest.raises(BadImage) as caught:
        decode_rgb(bytes(whole), info, **reduced)
    assert caught.value.reason in ("undecodable", "truncated")


def test_grey_images_become_three_equal_channels():
    buffer = BytesIO()
    Image.fromarray(picture()[:, :, 0]).save(buffer, "jpeg")
    data = buffer.getvalue()
    image = decode_rgb(data, probe(data))
    assert np.array_equal(image[:, :, 0], image[:, :, 2])
