"""How one view is moved against another.

Shift: phase correlation of contrast-normalised gradients with a Hann window (Kuglin and Hines 1975), 1 ms. Rotation and
zoom: ORB key points (Rublee et al., ICCV 2011) and the similarity most of them agree on (RANSAC), 2-9 ms. Gradients,
not luma: they are the same by day, at night and under a cloud.
"""

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from cvops_monitoring.arrays import F32
from cvops_monitoring.health.view import View

_MATCH_RATIO, _RANSAC_PX = 0.8, 2.0
_LEAST_SHARE = 0.2
"""Share of the matches that must agree; fewer is chance, or a thing that moves."""


@dataclass(frozen=True, slots=True)
class Displacement:
    """What turns the reference view into the present one.

    Attributes:
        right_px: shift of the centre to the right, in px of the view.
        down_px: shift down, likewise.
        left_deg: rotation of the picture to the left (counter-clockwise), in degrees.
        zoom: scale; above 1 things look larger.
    """

    right_px: float
    down_px: float
    left_deg: float = 0.0
    zoom: float = 1.0

    @property
    def shift_px(self) -> float:
        """Length of the shift, in px."""
        return math.hypot(self.right_px, self.down_px)


@dataclass(frozen=True, slots=True)
class Shift:
    """Result of phase correlation.

    Attributes:
        displacement: the shift.
        response: height of the peak, 0..1; small: the views have nothing in common that is only shifted.
    """

    displacement: Displacement
    response: float


@dataclass(frozen=True, slots=True)
class Similarity:
    """Result of matching key points.

    Attributes:
        displacement: shift, rotation and zoom; None: too few key points agree.
        inliers: key points that agree.
        points: key points of the present view.
    """

    displacement: Displacement | None
    inliers: int
    points: int


def shift_between(reference: View, now: View) -> Shift:
    """Shift of `now` against `reference`; both of one size."""
    # Copies: cv2.phaseCorrelate of OpenCV 5 writes into its inputs.
    height, width = reference.picture.shape
    (right, down), response = cv2.phaseCorrelate(reference.signal.copy(), now.signal.copy(), _hann(height, width))
    return Shift(Displacement(float(right), float(down)), float(response))


def similarity_between(reference: View, now: View, least_inliers: int) -> Similarity:
    """Shift, rotation and zoom of `now` against `reference`, if at least `least_inliers` key points agree."""
    (points_ref, described_ref), (points, described) = reference.features, now.features
    if len(points_ref) < least_inliers or len(points) < least_inliers:
        return Similarity(None, 0, len(points))
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(described_ref, described, k=2)
    good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < _MATCH_RATIO * pair[1].distance]
    if len(good) < least_inliers:
        return Similarity(None, 0, len(points))
    source = points_ref[[match.queryIdx for match in good]]
    target = points[[match.trainIdx for match in good]]
    matrix, agree = cv2.estimateAffinePartial2D(source, target, method=cv2.RANSAC, ransacReprojThreshold=_RANSAC_PX)
    inliers = 0 if agree is None else int(agree.sum())
    if matrix is None or inliers < max(least_inliers, _LEAST_SHARE * len(good)):
        return Similarity(None, inliers, len(points))
    return Similarity(_displacement(np.asarray(matrix, np.float64), reference.picture.shape), inliers, len(points))


def explains(reference: View, now: View, displacement: Displacement, least_gain: float) -> bool:
    """The reference moved by `displacement` is more like `now` than the reference as it is.

    Key points that agree by chance, or on a thing that moves, fail this.

    Args:
        reference: the view to move.
        now: the present view, of the same size.
        displacement: what is to be verified.
        least_gain: by which the correlation of the gradients must grow, 0..2.
    """
    height, width = reference.picture.shape
    turned = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), displacement.left_deg, displacement.zoom)
    turned[:, 2] += np.array([displacement.right_px, displacement.down_px])
    moved = np.asarray(cv2.warpAffine(reference.signal, turned, (width, height)), np.float32)
    seen = cv2.warpAffine(np.ones((height, width), np.uint8), turned, (width, height)) > 0
    if not seen.any():
        return False
    gain = _correlation(moved[seen], now.signal[seen]) - _correlation(reference.signal[seen], now.signal[seen])
    return gain > least_gain


def _correlation(a: F32, b: F32) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b) / max(math.sqrt(float(a @ a) * float(b @ b)), 1e-9)


def _displacement(matrix: np.ndarray[tuple[int, ...], np.dtype[np.float64]], shape: tuple[int, ...]) -> Displacement:
    """Of a similarity (2, 3), at the centre of a picture of `shape`."""
    centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    right, down = matrix[:, :2] @ centre + matrix[:, 2] - centre
    left_deg = math.degrees(math.atan2(matrix[0, 1], matrix[0, 0]))
    return Displacement(float(right), float(down), left_deg, float(math.hypot(matrix[0, 0], matrix[0, 1])))


@cache
def _hann(height: int, width: int) -> F32:
    return np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
