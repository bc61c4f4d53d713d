"""What a camera looks like when it is well, per brightness regime."""

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from cvops_monitoring.arrays import F32
from cvops_monitoring.health.frame import Grey, HealthFrame
from cvops_monitoring.health.settings import HealthSettings
from cvops_monitoring.health.view import View, view_of

_BLEND = 4
"""The view is a running mean of about so many thumbnails: noise and things that pass fade."""


@dataclass(frozen=True)
class Reference:
    """Of one brightness regime.

    Attributes:
        edge_energy: mean, luma per px, float32 (6, 8).
        brightness: mean luma, 0..255.
        saturation: mean, 0..255.
        sharpness: mean share of mid-band energy, 0..1.
        cast_a: mean of a*, in dE; cast_b: of b*.
        cast_b: see `cast_a`.
        cast_sd: root mean squared distance from these, in dE.
        jpeg: the view; None: no thumbnail came.
    """

    edge_energy: F32
    brightness: float
    saturation: float
    sharpness: float
    cast_a: float
    cast_b: float
    cast_sd: float
    jpeg: bytes | None

    @cached_property
    def view(self) -> View | None:
        """The view, decoded once."""
        return None if self.jpeg is None else View.from_bytes(self.jpeg)


@dataclass(slots=True)
class Learner:
    """Sums of the checks of one regime.

    Attributes:
        n: checks.
        first_s: steady seconds of the first one.
        edges: sum of edge energy, float32 (6, 8).
        sums: of brightness, saturation, sharpness, a*, b*, a*^2 + b*^2.
        view: blend of the thumbnails; None: none came.
    """

    n: int
    first_s: float
    edges: F32
    sums: list[float]
    view: Grey | None

    @classmethod
    def fresh(cls) -> "Learner":
        """Without any check."""
        return cls(0, 0.0, np.zeros((6, 8), np.float32), [0.0] * 6, None)

    def push(self, frame: HealthFrame, now_s: float, settings: HealthSettings) -> Reference | None:
        """Takes one check; the reference, once there are enough."""
        if self.n == 0:
            self.first_s = now_s
        self.n += 1
        self.edges = np.asarray(self.edges + frame.edge_energy, np.float32)
        a, b = frame.cast_a, frame.cast_b
        values = (frame.brightness_mean, frame.saturation, frame.sharpness, a, b, a * a + b * b)
        self.sums = [total + value for total, value in zip(self.sums, values, strict=True)]
        if frame.thumbnail is not None:
            self._blend(view_of(frame.thumbnail).picture)
        enough = self.n >= settings.reference_frames and now_s - self.first_s >= settings.reference_s
        return self._reference() if enough else None

    def _blend(self, picture: Grey) -> None:
        if self.view is None or self.view.shape != picture.shape:
            self.view = picture
            return
        share = 1 / min(self.n, _BLEND)
        self.view = np.asarray(cv2.addWeighted(self.view, 1 - share, picture, share, 0), np.uint8)

    def _reference(self) -> Reference:
        brightness, saturation, sharpness, a, b, squares = (total / self.n for total in self.sums)
        return Reference(
            edge_energy=np.asarray(self.edges / self.n, np.float32),
            brightness=brightness,
            saturation=saturation,
            sharpness=sharpness,
            cast_a=a,
            cast_b=b,
            cast_sd=math.sqrt(max(squares - a * a - b * b, 0.0)),
            jpeg=None if self.view is None else View(self.view).to_jpeg(),
        )
