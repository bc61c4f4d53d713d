"""Statistics of one image, cheap enough for every frame. What they mean stands beside each field of image.proto."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from cvops_vision.decode import ImageRGB

ImageGrey = NDArray[np.uint8]
FloatArray = NDArray[np.float32]

WIDTH, HEIGHT = 320, 240
"""Size in px that statistics are computed on, so that frames of all cameras compare."""

_GRID_WH = (8, 6)
_MID_BAND = (0.12, 0.30)
_THUMBNAIL_WIDTH, _THUMBNAIL_MAX_HEIGHT, _THUMBNAIL_QUALITY = 320, 1280, 70
_LEVELS = np.arange(256, dtype=np.float64)
_TAILS = np.array([0.01, 0.99])
_TINY = 1e-9  # under the share of one pixel
_SRGB = _LEVELS / 255
_LINEAR = np.where(_SRGB <= 0.04045, _SRGB / 12.92, ((_SRGB + 0.055) / 1.055) ** 2.4).astype(np.float32)
"""Linear light 0..1 of each sRGB level (IEC 61966-2-1)."""


@dataclass(frozen=True, slots=True)
class ImageStats:
    """Statistics of one image; all finite, for constant pictures too.

    Attributes:
        n_bytes: size of the encoded image.
        ratio: width / height of the upright image.
        brightness_mean: of luma, 0..255; so are the standard deviation and the 1st and 99th percentile.
        saturation: mean of HSV saturation, 0..255.
        contrast: (p99 - p1) / (p99 + p1), 0..1; 0 for a black picture.
        entropy: of the luma histogram, in bits, 0..8.
        sharpness: share of the spectral energy without its mean in .12-.30 cycles/px, 0..1; 0 for a constant picture.
        cast_a: mean of CIELAB a*, in dE units; cast_b: of b*.
        edge_energy: mean gradient magnitude (luma per px) of 8 columns x 6 rows, row by row, float16 little endian.
        dhash: 64 bits, 1 where luma grows from a cell to its right neighbour; 9x8 cells, row by row, first bit highest.
    """

    n_bytes: int
    ratio: float
    brightness_mean: float
    brightness_std: float
    brightness_p1: float
    brightness_p99: float
    saturation: float
    contrast: float
    entropy: float
    sharpness: float
    cast_a: float
    cast_b: float
    edge_energy: bytes
    dhash: int


def image_stats(image_rgb: ImageRGB, *, n_bytes: int, width: int, height: int) -> ImageStats:
    """Statistics of one image.

    Args:
        image_rgb: uint8 (H, W, 3), upright; best a decode reduced to not less than WIDTH x HEIGHT.
        n_bytes: size of the encoded image.
        width: of the full upright image, in px.
        height: likewise.
    """
    small = _resize(image_rgb, (WIDTH, HEIGHT))
    half = _resize(small, (WIDTH // 2, HEIGHT // 2))
    coarse = _resize(half, (WIDTH // 4, HEIGHT // 4))
    luma = _luma(small)
    share = np.divide(cv2.calcHist([luma], [0], None, [256], [0, 256]).ravel(), luma.size, dtype=np.float64)
    mean = float(share @ _LEVELS)
    low, high = share.cumsum().searchsorted(_TAILS).tolist()
    lab = cv2.mean(cv2.cvtColor(cv2.LUT(coarse, _LINEAR), cv2.COLOR_LRGB2LAB))
    return ImageStats(
        n_bytes=n_bytes,
        ratio=width / height,
        brightness_mean=mean,
        brightness_std=float(np.sqrt(share @ (_LEVELS - mean) ** 2)),
        brightness_p1=float(low),
        brightness_p99=float(high),
        saturation=float(cv2.mean(cv2.cvtColor(half, cv2.COLOR_RGB2HSV))[1]),
        contrast=(high - low) / (high + low) if high > 0 else 0.0,
        entropy=max(0.0, -float(share @ np.log2(np.maximum(share, _TINY)))),
        sharpness=mid_band_share(luma),
        cast_a=float(lab[1]),
        cast_b=float(lab[2]),
        edge_energy=edge_energy(luma).tobytes(),
        dhash=difference_hash(_luma(coarse)),
    )


def grey_thumbnail(image_rgb: ImageRGB) -> bytes:
    """JPEG of the luma, 320 px wide, same ratio (cut to 1280 px of height for extremely tall pictures)."""
    height, width = image_rgb.shape[:2]
    tall = min(max(1, round(height * _THUMBNAIL_WIDTH / width)), _THUMBNAIL_MAX_HEIGHT)
    luma = _luma(_resize(image_rgb, (_THUMBNAIL_WIDTH, tall)))
    return bytes(simplejpeg.encode_jpeg(luma[..., None], quality=_THUMBNAIL_QUALITY, colorspace="GRAY"))


def mid_band_share(luma: ImageGrey | FloatArray) -> float:
    """Share of the energy in .12-.30 cycles/px of a Hann-windowed picture without its mean, 0..1.

    Args:
        luma: uint8 or float32 (240, 320).
    """
    windowed = np.subtract(luma, cv2.mean(luma)[0], dtype=np.float32)
    windowed *= _hann()
    energy = windowed.size * cv2.norm(windowed, cv2.NORM_L2SQR)  # of the whole spectrum (Parseval)
    spectrum = cv2.dft(windowed, windowed)
    energy -= float(spectrum[0, 0]) ** 2
    # Rounding noise of a constant picture is no energy: under a thousandth of a grey level in every pixel.
    if energy <= 1e-6 * luma.size**2:
        return 0.0
    return 2 * cv2.norm(spectrum, cv2.NORM_L2SQR, _mid_band()) / energy


def edge_energy(luma: ImageGrey) -> NDArray[np.float16]:
    """Mean gradient magnitude, luma per px: float16 (6, 8) of a picture uint8 (H, W)."""
    across = cv2.Sobel(luma, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(luma, cv2.CV_32F, 0, 1, scale=1 / 8)
    cells = cv2.resize(cv2.magnitude(across, down, across), _GRID_WH, interpolation=cv2.INTER_AREA)
    return np.asarray(cells, "<f2")


def difference_hash(luma: ImageGrey) -> int:
    """64-bit difference hash of a picture uint8 (H, W): near-duplicates differ in few bits."""
    cells = cv2.resize(luma, (9, 8), interpolation=cv2.INTER_AREA)
    return int.from_bytes(np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes(), "big")


def _luma(image_rgb: ImageRGB) -> ImageGrey:
    return np.asarray(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def _resize(image: ImageRGB, size_wh: tuple[int, int]) -> ImageRGB:
    if image.shape[1::-1] == size_wh:
        return image
    (height, width), (columns, rows) = image.shape[:2], size_wh
    # Down to a half, two neighbours hold all that a pixel covers; the mean of an area that is no whole number of pixels
    # takes seven times as long. It is what pictures of 16:9 would need.
    near = width <= 2 * columns and height <= 2 * rows
    grows = width < columns or height < rows
    way = cv2.INTER_LINEAR if near or grows else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, size_wh, interpolation=way), np.uint8)


@cache
def _hann() -> FloatArray:
    return np.outer(np.hanning(HEIGHT), np.hanning(WIDTH)).astype(np.float32)


@cache
def _mid_band() -> NDArray[np.uint8]:
    """1 for each cell of OpenCV's packed real spectrum (240, 320) in the band: each stands for a conjugate pair.

    Column 0 holds real and imaginary parts below each other, the others beside each other (documentation of cv::dft,
    CCS format); the mean and the highest frequencies, which are no pairs, are outside of the band.
    """
    rows, columns = np.arange(HEIGHT), np.arange(WIDTH)
    fx = np.broadcast_to((columns + 1) // 2 / WIDTH, (HEIGHT, WIDTH))
    fy = np.repeat((np.minimum(rows, HEIGHT - rows) / HEIGHT)[:, None], WIDTH, axis=1)
    fy[:, 0] = (rows + 1) // 2 / HEIGHT
    radius = np.hypot(fx, fy)
    low, high = _MID_BAND
    return ((radius >= low) & (radius < high)).astype(np.uint8)
