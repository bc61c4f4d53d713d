"""A picture of the view in the form that views are compared in."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np

from cvops_monitoring.arrays import F32
from cvops_monitoring.errors import WrongShape
from cvops_monitoring.health.frame import Grey

WIDTH: Final = 320
HEIGHT: Final = 240
_GRID_WH, _LAYOUT_WH = (16, 12), (32, 24)
_FEATURES, _FAST_THRESHOLD = 1000, 10


@dataclass(frozen=True, eq=False)
class View:
    """One grey picture that fits 320x240; what is computed from it is kept.

    Attributes:
        picture: uint8 (H, W), H <= 240, W <= 320, in the ratio of the camera.
    """

    picture: Grey

    @cached_property
    def signal(self) -> F32:
        """Picture without its coarse light, contrast 1 everywhere: float32 (H, W)."""
        fine = cv2.GaussianBlur(self.picture.astype(np.float32), (0, 0), 1.0)
        across, down = cv2.Sobel(fine, cv2.CV_32F, 1, 0), cv2.Sobel(fine, cv2.CV_32F, 0, 1)
        size = cv2.magnitude(across, down)
        return np.asarray(size / (cv2.blur(size, (31, 31)) + 4.0), np.float32)

    @cached_property
    def features(self) -> tuple[F32, Grey]:
        """ORB key points: positions float32 (N, 2) in px and descriptors uint8 (N, 32)."""
        orb = cv2.ORB_create(_FEATURES, fastThreshold=_FAST_THRESHOLD)  # type: ignore[attr-defined,unused-ignore]
        points, descriptors = orb.detectAndCompute(self.picture, None)
        if descriptors is None:
            return np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8)
        return np.array([point.pt for point in points], np.float32), descriptors

    @cached_property
    def bands(self) -> tuple[F32, F32]:
        """Energy of fine (about .12-.30 cycles/px) and of coarser detail: float32 (12, 16) each, luma squared."""
        light = self.picture.astype(np.float32)
        blurred = [cv2.GaussianBlur(light, (0, 0), sigma) for sigma in (0.7, 1.4, 4.0)]
        fine, coarse = blurred[0] - blurred[1], blurred[1] - blurred[2]
        return _cells(fine * fine), _cells(coarse * coarse)

    @cached_property
    def detail(self) -> F32:
        """Edges and texture without coarse light, luma, float32 (H, W): difference of Gaussians of .7 and 2 px."""
        light = self.picture.astype(np.float32)
        return np.asarray(cv2.GaussianBlur(light, (0, 0), 0.7) - cv2.GaussianBlur(light, (0, 0), 2.0), np.float32)

    @cached_property
    def detail_energy(self) -> F32:
        """Mean square of `detail` in 32 columns x 24 rows, luma squared, float32."""
        return in_layout(self.detail * self.detail)

    @cached_property
    def layout(self) -> F32:
        """Mean luma of 32 columns x 24 rows, float32."""
        return in_layout(self.picture)

    def to_png(self) -> bytes:
        """Lossless, for a snapshot."""
        return cv2.imencode(".png", self.picture)[1].tobytes()

    def to_jpeg(self) -> bytes:
        """Small, for a reference that is kept."""
        return cv2.imencode(".jpg", self.picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()

    @classmethod
    def from_bytes(cls, encoded: bytes) -> "View":
        """The view that `to_png` or `to_jpeg` made."""
        return cls(np.asarray(cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8))


def in_layout(picture: Grey | F32) -> F32:
    """Mean of a picture (H, W) in 32 columns x 24 rows, float32 (24, 32)."""
    return np.asarray(cv2.resize(picture, _LAYOUT_WH, interpolation=cv2.INTER_AREA), np.float32)


def view_of(thumbnail: Grey) -> View:
    """The view of a thumbnail uint8 (H, W), made smaller if it does not fit 320x240.

    Raises:
        WrongShape: it is not a grey picture.
    """
    if thumbnail.ndim != 2 or not thumbnail.size:
        raise WrongShape(f"thumbnail has shape {thumbnail.shape}, expected (H, W) and not empty")
    height, width = thumbnail.shape
    scale = min(WIDTH / width, HEIGHT / height)
    if scale >= 1:
        return View(thumbnail)
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    return View(np.asarray(cv2.resize(thumbnail, size_wh, interpolation=cv2.INTER_AREA), np.uint8))


def _cells(energy: F32) -> F32:
    return np.asarray(cv2.resize(energy, _GRID_WH, interpolation=cv2.INTER_AREA), np.float32)
