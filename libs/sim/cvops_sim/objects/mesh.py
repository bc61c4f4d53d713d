"""Small meshes of flat faces, and their projection."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cvops_sim.arrays import Colour, Plane, Points, mix
from cvops_sim.camera import NEAREST_DEPTH_M, View, cut_near
from cvops_sim.objects.shape import Outfit, Placement, Shape

Profile = list[tuple[float, float, float]]
"""A side view from rear to front: forward, up, half width."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Faces in drawing order, in local metres: right, up, forward.

    Attributes:
        vertices: float64 (V, 3).
        faces: indices of each face's corners.
        colours: float32 (F, 3).
        normals: float64 (F, 3), outwards.
        centres: float64 (F, 3).
        gloss: float64 (F,), how much of the sky a face mirrors when it looks up.
        groups: int (F,); groups are drawn farthest first, by `group_forward`.
        group_forward: where along the object each group has its middle.
        outfit: lamps, height and footprint.
    """

    vertices: Points
    faces: list[npt.NDArray[Any]]
    colours: Plane
    normals: Points
    centres: Points
    gloss: npt.NDArray[Any]
    groups: npt.NDArray[Any]
    group_forward: npt.NDArray[Any]
    outfit: Outfit


class MeshBuilder:
    """Collects faces; `middle_up` is a height inside the body, by which outward is told from inward."""

    def __init__(self, middle_up: float) -> None:
        self._middle_up = middle_up
        self._vertices: list[Points] = []
        self._faces: list[npt.NDArray[Any]] = []
        self._colours: list[Colour] = []
        self._gloss: list[float] = []
        self._groups: list[int] = []
        self._group_forward = [0.0]
        self._count = 0

    def group(self, forward: float) -> None:
        """Start a group of faces around `forward`, drawn before or after the others by the side it is seen from."""
        if self._faces:
            self._group_forward.append(forward)
        else:
            self._group_forward[0] = forward

    def face(self, corners: Any, colour: Colour, gloss: float = 0.0) -> None:
        """Add a convex face with corners (n, 3)."""
        points = np.asarray(corners, float)
        self._vertices.append(points)
        self._faces.append(np.arange(self._count, self._count + len(points)))
        self._count += len(points)
        self._colours.append(np.asarray(np.clip(colour, 0, 255), np.float32))
        self._gloss.append(gloss)
        self._groups.append(len(self._group_forward) - 1)

    def hull(self, profile: Profile, base_up: float, colours: list[Colour], side: Colour, gloss: float = 0.12) -> None:
        """A body whose top follows `profile` and whose sides go down to `base_up`.

        `colours` has one colour for each segment of the profile, from rear to front. Ends that are upright are
        segments too, so that a profile may start at the height of the base.
        """
        segments = list(itertools.pairwise(profile))
        for (z0, y0, w0), (z1, y1, w1) in segments:
            if max(y0, y1) <= base_up + 1e-6 or z1 - z0 <= 1e-6:
                continue
            foot = max(w0, w1)
            for sign in (-1, 1):
                top = [(sign * w0, y0, z0), (sign * w1, y1, z1)]
                self.face([*top, (sign * foot, base_up, z1), (sign * foot, base_up, z0)], side, gloss)
        for ((z0, y0, w0), (z1, y1, w1)), colour in zip(segments, colours, strict=True):
            self.face([(-w0, y0, z0), (w0, y0, z0), (w1, y1, z1), (-w1, y1, z1)], colour, gloss)

    def front(self, z: float, x0: float, x1: float, y0: float, y1: float, colour: Colour) -> None:
        """A flat patch across the body at `z`, on its front or rear."""
        self.face([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], colour)

    def flank(self, x: float, z0: float, z1: float, y0: float, y1: float, colour: Colour, gloss: float = 0.0) -> None:
        """A flat patch along the body at `x`, on its side."""
        self.face([(x, y0, z0), (x, y0, z1), (x, y1, z1), (x, y1, z0)], colour, gloss)

    def wheels(self, half_width: float, axles: tuple[float, ...], radius: float) -> None:
        """Wheels on both sides at each axle."""
        angle = np.linspace(0, 2 * np.pi, 13)[:-1]
        for z in axles:
            for sign in (-1, 1):
                for share, grey in ((1.12, 24), (1.0, 38), (0.55, 122)):
                    rim = radius * share
                    x = np.full(12, sign * half_width * (1.004 if share > 1 else 1.008))
                    up = np.maximum(radius + rim * np.sin(angle), 0.0 if share <= 1 else 0.12)
                    self.face(np.stack([x, up, z + rim * np.cos(angle)], -1), np.full(3, grey, np.float32))

    def build(self, outfit: Outfit) -> Mesh:
        """The finished mesh."""
        vertices = np.concatenate(self._vertices)
        centres = np.array([vertices[face].mean(0) for face in self._faces])
        first, second, third = (vertices[[face[i] for face in self._faces]] for i in range(3))
        normals = np.cross(second - first, third - first)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
        half_length = np.abs(vertices[:, 2]).max() * 0.5
        inside = np.stack(
            [
                np.zeros(len(centres)),
                np.full(len(centres), self._middle_up),
                np.clip(centres[:, 2], -half_length, half_length),
            ],
            -1,
        )
        outward = np.sign(((centres - inside) * normals).sum(1))
        normals *= np.where(outward == 0, 1, outward)[:, None]
        return Mesh(
            vertices,
            self._faces,
            np.array(self._colours, np.float32),
            normals,
            centres,
            np.array(self._gloss),
            np.array(self._groups),
            np.array(self._group_forward),
            outfit,
        )


def project_mesh(mesh: Mesh, placement: Placement, view: View, sun: Points, sky: Colour) -> Shape:
    """The faces that are seen, shaded by where they look.

    Args:
        mesh: the object.
        placement: where it stands.
        view: the picture plane.
        sun: vector towards the sun.
        sky: colour that glossy faces mirror.
    """
    corners = view.eye(placement.to_world(mesh.vertices))
    eye = placement.to_local(np.array([-placement.x, view.above_ground_m, -placement.z]))
    seen = ((eye - mesh.centres) * mesh.normals).sum(1) > 0
    up = np.maximum(mesh.normals[:, 1], 0)
    shade = 0.62 + 0.40 * np.maximum(mesh.normals @ placement.to_local(sun), 0) + 0.10 * up
    colours = mix(mesh.colours * shade[:, None], sky, (mesh.gloss * (0.35 + 0.65 * up))[:, None])
    order = np.flatnonzero(seen)
    if len(mesh.group_forward) > 1:
        farness = np.abs(mesh.group_forward - eye[2])[mesh.groups[order]]
        order = order[np.argsort(-farness, kind="stable")]
    shades = colours[order].astype(np.float32)
    if corners[:, 2].min() >= NEAREST_DEPTH_M:
        parts = [mesh.faces[i] for i in order]
        return Shape(view.pixels(corners), parts, shades, [0.0] * len(parts))
    return _cut_off(view, [corners[mesh.faces[i]] for i in order], shades)


def _cut_off(view: View, faces: list[Points], colours: Plane) -> Shape:
    """Faces in the camera's axes, as far as they lie before the lens."""
    cut = [cut_near(face) for face in faces]
    seen = [i for i, face in enumerate(cut) if len(face)]
    starts = np.cumsum([0, *(len(cut[i]) for i in seen)])
    parts = [np.arange(start, end) for start, end in itertools.pairwise(starts)]
    points = np.concatenate([cut[i] for i in seen]) if seen else np.zeros((0, 3))
    return Shape(view.pixels(points), parts, colours[seen], [0.0] * len(parts))
