"""A fixed camera: where it hangs, what it sees, and how a turn of it moves the picture.

World axes: x to the right, y up, z forward along the road, in metres; the camera is above the origin.
"""

from dataclasses import dataclass

import numpy as np

from cvops_sim.arrays import Plane, Points
from cvops_sim.rng import generator

NEAREST_DEPTH_M = 0.5
"""What is nearer to the picture plane than this is cut off."""


@dataclass(frozen=True)
class Turn:
    """How far a camera is turned from its nominal pose, in degrees."""

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0

    def __add__(self, other: "Turn") -> "Turn":
        return Turn(self.yaw_deg + other.yaw_deg, self.pitch_deg + other.pitch_deg, self.roll_deg + other.roll_deg)


STRAIGHT = Turn()


@dataclass(frozen=True, eq=False)
class View:
    """A picture plane: the pinhole projection of one pose.

    Attributes:
        rotation: float64 (3, 3), rows are the image's x, its y (down) and the optical axis, in world axes.
        focal_px: focal length.
        width: picture width in px; the optical axis pierces the middle.
        height: picture height in px.
        above_ground_m: height of the optical centre.
    """

    rotation: Points
    focal_px: float
    width: int
    height: int
    above_ground_m: float

    def eye(self, points: Points) -> Points:
        """World points (..., 3) in the camera's axes: right, down, depth; metres."""
        return np.asarray(np.asarray(points, float) @ self.rotation.T - self.rotation[:, 1] * self.above_ground_m)

    def pixels(self, eye: Points) -> Points:
        """Pixels (..., 2) of points (..., 3) in the camera's axes."""
        scale = self.focal_px / np.maximum(eye[..., 2], NEAREST_DEPTH_M)
        return np.asarray(eye[..., :2] * scale[..., None] + (self.width / 2, self.height / 2))

    def project(self, points: Points) -> tuple[Points, Points]:
        """Pixels (..., 2) and depths (...) in metres of world points (..., 3)."""
        eye = self.eye(points)
        return self.pixels(eye), eye[..., 2]

    def outline(self, corners: Points) -> Points:
        """Pixels (M, 2) of a convex polygon with world corners (N, 3), cut off before the lens; M is 0 behind it."""
        return self.pixels(cut_near(self.eye(corners)))

    def ground_matrix(self) -> Points:
        """Ground points (x, z, 1) to homogeneous pixels, (3, 3)."""
        matrix = self.matrix()
        return np.stack([matrix[:, 0], matrix[:, 2], -self.above_ground_m * matrix[:, 1]], 1)

    def rays(self) -> tuple[Plane, Plane, Plane]:
        """World direction (x, y, z) of each pixel's centre, scaled to one metre of depth."""
        across = (np.arange(self.width, dtype=np.float32) + 0.5 - self.width / 2) / self.focal_px
        down = (np.arange(self.height, dtype=np.float32) + 0.5 - self.height / 2) / self.focal_px
        x, y = np.meshgrid(across.astype(np.float32), down.astype(np.float32))
        axes = self.rotation.astype(np.float32)
        world = [x * axes[0, i] + y * axes[1, i] + axes[2, i] for i in range(3)]
        return world[0], world[1], world[2]

    def matrix(self) -> Points:
        """World directions to homogeneous pixels, (3, 3)."""
        lens = np.array([[self.focal_px, 0, self.width / 2], [0, self.focal_px, self.height / 2], [0, 0, 1.0]])
        return np.asarray(lens @ self.rotation)

    def homography_from(self, other: "View") -> Points:
        """The matrix (3, 3) that takes pixels of `other` to pixels of this view.

        Exact for every point of the world, because both views share their optical centre.
        """
        matrix = self.matrix() @ np.linalg.inv(other.matrix())
        return np.asarray(matrix / matrix[2, 2])


def cut_near(eye: Points) -> Points:
    """The part (M, 3) of a convex polygon (N, 3) in a camera's axes that lies before the lens."""
    inside = eye[:, 2] >= NEAREST_DEPTH_M
    if inside.all():
        return eye
    kept: list[Points] = []
    for i in range(len(eye)):
        last, here = eye[i - 1], eye[i]
        if inside[i] != inside[i - 1]:
            kept.append(last + (here - last) * ((NEAREST_DEPTH_M - last[2]) / (here[2] - last[2])))
        if inside[i]:
            kept.append(here)
    return np.array(kept).reshape(-1, 3)


@dataclass(frozen=True)
class Camera:
    """A camera as it was mounted.

    Attributes:
        seed: key of its sensor noise and of the dirt it gathers.
        width: picture width in px.
        height: picture height in px.
        focal_widths: focal length in picture widths; 1 is a field of view of 53 degrees.
        above_ground_m: height of the lens.
        pitch_deg: how far it looks down.
        yaw_deg: how far it looks right of the road's axis.
        roll_deg: how far it hangs askew.
        noise: sensor noise by day, in grey levels.
    """

    seed: int
    width: int
    height: int
    focal_widths: float
    above_ground_m: float
    pitch_deg: float
    yaw_deg: float
    roll_deg: float
    noise: float

    @property
    def pixel_scale(self) -> float:
        """Size of a picture detail against a picture 360 px high."""
        return self.height / 360

    def view(self, turn: Turn = STRAIGHT, margin: float = 0.0) -> View:
        """What the camera sees after `turn`; `margin` adds that share of the width on every side."""
        yaw = np.radians(self.yaw_deg + turn.yaw_deg)
        pitch = np.radians(self.pitch_deg + turn.pitch_deg)
        roll = np.radians(self.roll_deg + turn.roll_deg)
        axis = np.array([np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        right = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
        up = np.cross(axis, right)
        rolled_right = np.cos(roll) * right + np.sin(roll) * up
        rolled_up = np.cos(roll) * up - np.sin(roll) * right
        width = self.width + 2 * round(self.width * margin)
        height = self.height + 2 * round(self.width * margin)
        rotation = np.stack([rolled_right, -rolled_up, axis])
        return View(rotation, self.focal_widths * self.width, width, height, self.above_ground_m)


def make_camera(seed: int, width: int = 640, height: int = 360) -> Camera:
    """The camera of `seed`: on a mast of 6 to 8 m, looking down the road."""
    rng = generator(seed, "camera")
    return Camera(
        seed=seed,
        width=width,
        height=height,
        focal_widths=float(rng.uniform(0.95, 1.2)),
        above_ground_m=float(rng.uniform(5.8, 8.0)),
        pitch_deg=float(rng.uniform(7.8, 11.5)),
        yaw_deg=float(rng.uniform(-3, 3)),
        roll_deg=float(rng.uniform(-0.8, 0.8)),
        noise=float(rng.uniform(1.2, 2.4)),
    )
