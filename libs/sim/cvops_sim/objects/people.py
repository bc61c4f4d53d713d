"""People on foot, on bicycles and on scooters: rounded limbs that turn with the moment."""

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from cvops_sim.arrays import Colour, Points, rgb
from cvops_sim.camera import View
from cvops_sim.objects.kinds import Kind
from cvops_sim.objects.shape import Outfit, Placement, Shape, footprint
from cvops_sim.objects.vehicles import PAINTS
from cvops_sim.rng import generator

CLOTHES = (
    rgb(158, 58, 54),
    rgb(52, 72, 112),
    rgb(206, 178, 92),
    rgb(60, 60, 65),
    rgb(225, 225, 220),
    rgb(70, 110, 88),
    rgb(112, 82, 118),
    rgb(190, 118, 70),
    rgb(90, 100, 115),
)
TROUSERS = (rgb(48, 52, 66), rgb(60, 56, 52), rgb(96, 92, 84), rgb(38, 40, 48), rgb(70, 92, 128))
SKINS = (rgb(222, 180, 150), rgb(190, 140, 108), rgb(128, 88, 64))
HAIRS = (rgb(60, 44, 34), rgb(32, 28, 26), rgb(150, 112, 70), rgb(150, 146, 142))
RUBBER, HANDLEBAR, SCOOTER_STEM = rgb(30, 30, 32), rgb(40, 40, 40), rgb(60, 200, 120)
NEAREST_PERSON_M = 1.5
STEPS_PER_M = 3.9
PEDALS_PER_M = 0.96
Joint = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Person:
    """How someone looks; `size` is against a person of 1.75 m."""

    size: float
    top: Colour
    trousers: Colour
    skin: Colour
    hair: Colour
    frame: Colour
    helmet: bool
    bag: bool
    coat: bool


@lru_cache(maxsize=512)
def person(seed: int) -> Person:
    """The person of a seed."""
    rng = generator(seed, "person")

    def one_of(colours: tuple[Colour, ...]) -> Colour:
        return colours[int(rng.integers(len(colours)))]

    return Person(
        size=(1.62 + 0.25 * float(rng.random())) / 1.75,
        top=one_of(CLOTHES),
        trousers=one_of(TROUSERS),
        skin=one_of(SKINS),
        hair=one_of(HAIRS),
        frame=one_of(PAINTS) * 0.85,
        helmet=bool(rng.random() < 0.5),
        bag=bool(rng.random() < 0.3),
        coat=bool(rng.random() < 0.25),
    )


@dataclass(eq=False)
class _Figure:
    """Limbs in drawing order: both ends in local metres, radius at each end, colour."""

    starts: list[Joint] = field(default_factory=list)
    ends: list[Joint] = field(default_factory=list)
    radii: list[tuple[float, float]] = field(default_factory=list)
    colours: list[Colour] = field(default_factory=list)
    rings: list[tuple[float, float, Colour]] = field(default_factory=list)

    def limb(self, start: Joint, end: Joint, start_m: float, end_m: float, colour: Colour) -> None:
        self.starts.append(start)
        self.ends.append(end)
        self.radii.append((start_m, end_m))
        self.colours.append(colour)

    def ball(self, centre: Joint, radius_m: float, colour: Colour) -> None:
        up = (centre[0], centre[1] + 0.02, centre[2])
        self.limb(centre, up, radius_m, radius_m, colour)

    def wheel(self, forward: float, radius_m: float, colour: Colour) -> None:
        self.rings.append((forward, radius_m, colour))


def outfit(kind: Kind, seed: int) -> Outfit:
    """Height, footprint and lamps of a person or rider."""
    height = 1.75 * person(seed).size
    none = np.zeros((0, 3))
    if kind is Kind.PEDESTRIAN:
        return Outfit(height, footprint(0.24, 0.2), none, none, beams=False)
    length = 0.85 if kind is Kind.CYCLIST else 0.55
    lamp = np.array([(0.0, 0.9, 0.5)])
    return Outfit(height + 0.1, footprint(0.25, length), lamp, lamp * (1, 0.7, -1), beams=False)


def project_person(kind: Kind, seed: int, way_m: float, placement: Placement, view: View, sun: Points) -> Shape:
    """A person, cyclist or scooter rider after `way_m` metres of their way; no parts when too near to the lens."""
    who = person(seed)
    figure = _Figure()
    eye = placement.to_local(np.array([-placement.x, 0.0, -placement.z]))
    near_side = 1 if eye[0] > 0 else -1
    seen_from_front = eye[2] > 0
    if kind is Kind.PEDESTRIAN:
        _walker(figure, who, way_m * STEPS_PER_M + seed % 7, near_side, seen_from_front=seen_from_front)
    elif kind is Kind.CYCLIST:
        _cyclist(figure, who, way_m * PEDALS_PER_M + seed % 7, near_side)
    else:
        _scooter_rider(figure, who, near_side)
    towards_eye = eye[[0, 2]] / (np.hypot(eye[0], eye[2]) + 1e-6)
    facing_sun = float(towards_eye @ placement.to_local(sun)[[0, 2]])
    return _flatten(figure, placement, view, 0.86 + 0.22 * max(0.0, facing_sun))


def _flatten(figure: _Figure, placement: Placement, view: View, lit: float) -> Shape:
    """Limbs to octagons and wheels to rings, in pixels."""
    count = len(figure.starts)
    ends = np.array([*figure.starts, *figure.ends], float)
    pixels, depth = view.project(placement.to_world(ends))
    if depth.min() < NEAREST_PERSON_M:
        return Shape(np.zeros((0, 2)), [], np.zeros((0, 3), np.float32), [])
    start, end = pixels[:count], pixels[count:]
    along = end - start
    along = along / (np.hypot(along[:, 0], along[:, 1]) + 1e-6)[:, None]
    aside = np.stack([-along[:, 1], along[:, 0]], -1)
    per_m = view.focal_px / np.maximum(np.minimum(depth[:count], depth[count:]), 1.0)
    radii = np.maximum(np.array(figure.radii) * per_m[:, None], 0.3)
    first, last = radii[:, :1], radii[:, 1:]
    corners = np.stack(
        [
            start - aside * first,
            start - aside * first * 0.7 - along * first * 0.7,
            start + aside * first * 0.7 - along * first * 0.7,
            start + aside * first,
            end + aside * last,
            end + aside * last * 0.7 + along * last * 0.7,
            end - aside * last * 0.7 + along * last * 0.7,
            end - aside * last,
        ],
        1,
    )
    points = [corners.reshape(-1, 2)]
    parts = list(np.arange(count * 8).reshape(count, 8))
    colours = [np.asarray(colour, np.float32) for colour in figure.colours]
    strokes = [0.0] * count
    taken = count * 8
    for forward, radius, colour in reversed(figure.rings):
        angle = np.linspace(0, 2 * math.pi, 15)
        rim = np.stack([np.zeros(15), radius + radius * np.sin(angle), forward + radius * np.cos(angle)], -1)
        ring, ring_depth = view.project(placement.to_world(rim))
        points.append(ring)
        parts.insert(0, np.arange(taken, taken + 15))
        colours.insert(0, np.asarray(colour, np.float32))
        strokes.insert(0, max(0.5, 0.06 * view.focal_px / max(float(ring_depth.min()), 1.0)))
        taken += 15
    shaded = np.array(colours, np.float32) * np.float32(lit)
    return Shape(np.concatenate(points), parts, shaded, strokes)


def _walker(figure: _Figure, who: Person, step: float, near_side: int, *, seen_from_front: bool) -> None:
    s, swing = who.size, 0.30 * math.sin(step)
    hip, shoulder = 0.90 * s, 1.42 * s
    far = -near_side
    bend = 0.06 * abs(math.cos(step))
    for side, shade in ((far, 0.80), (near_side, 1.0)):
        foot = swing * side
        knee = (side * 0.09, 0.48 * s, foot * 0.55 + bend)
        figure.limb((side * 0.09, hip, 0), knee, 0.090, 0.07, who.trousers * shade)
        figure.limb(knee, (side * 0.09, 0.07, foot), 0.065, 0.05, who.trousers * shade)
        figure.limb((side * 0.09, 0.05, foot - 0.04), (side * 0.09, 0.04, foot + 0.14), 0.045, 0.04, RUBBER)

    def arm(side: int, shade: float) -> None:
        hand = (side * 0.26, 0.92 * s, -swing * side * 0.9 + 0.04)
        elbow = (side * 0.27, 1.15 * s, -swing * side * 0.4)
        figure.limb((side * 0.22, shoulder - 0.02, 0), elbow, 0.06, 0.052, who.top * shade)
        figure.limb(elbow, hand, 0.05, 0.042, who.top * shade)
        figure.ball(hand, 0.05, who.skin * shade)

    arm(far, 0.78)
    if who.coat:
        figure.limb((0, 0.60 * s, 0), (0, shoulder - 0.1, 0), 0.20, 0.19, who.top)
    figure.limb((0, hip - 0.04, 0), (0, shoulder - 0.06, 0), 0.165, 0.19, who.top)
    if who.bag:
        figure.limb((0, 1.05 * s, -0.17), (0, 1.34 * s, -0.17), 0.13, 0.13, who.frame)
    arm(near_side, 0.94)
    _head(figure, who, 1.62 * s, 0.02, seen_from_front=seen_from_front)


def _head(figure: _Figure, who: Person, up: float, forward: float, *, seen_from_front: bool) -> None:
    figure.ball((0, up - 0.14, forward - 0.01), 0.055, who.skin * 0.9)
    figure.ball((0, up, forward), 0.115, who.skin if seen_from_front else who.hair)
    figure.ball((0, up + 0.055, forward - 0.03), 0.108, who.top if who.helmet and not who.coat else who.hair)


def _cyclist(figure: _Figure, who: Person, turn: float, near_side: int) -> None:
    for forward in (-0.52, 0.52):
        figure.wheel(forward, 0.34, RUBBER)
    for start, end in (
        ((0, 0.34, -0.52), (0, 0.85, -0.18)),
        ((0, 0.34, 0.0), (0, 0.86, 0.40)),
        ((0, 0.84, -0.18), (0, 0.86, 0.40)),
        ((0, 0.34, 0.52), (0, 1.0, 0.40)),
    ):
        figure.limb(start, end, 0.03, 0.03, who.frame)
    figure.limb((-0.26, 1.02, 0.40), (0.26, 1.02, 0.40), 0.025, 0.025, HANDLEBAR)
    for side, shade in ((-near_side, 0.80), (near_side, 1.0)):
        phase = turn if side > 0 else turn + math.pi
        foot = (side * 0.09, 0.34 + 0.17 * math.sin(phase), 0.02 + 0.15 * math.cos(phase))
        knee = (side * 0.11, 0.42 + 0.5 * foot[1], 0.22 + 0.3 * foot[2])
        figure.limb((side * 0.08, 0.95, -0.15), knee, 0.085, 0.065, who.trousers * shade)
        figure.limb(knee, foot, 0.06, 0.045, who.trousers * shade)
        figure.limb((side * 0.2, 1.36, 0.12), (side * 0.22, 1.05, 0.38), 0.055, 0.045, who.top * shade * 0.94)
    figure.limb((0, 0.95, -0.16), (0, 1.36, 0.12), 0.155, 0.175, who.top)
    figure.limb((near_side * 0.2, 1.36, 0.12), (near_side * 0.22, 1.05, 0.38), 0.055, 0.045, who.top * 0.94)
    figure.ball((0, 1.58, 0.22), 0.115, who.skin)
    figure.ball((0, 1.64, 0.19), 0.118, who.top * 0.8 if who.helmet else who.hair)


def _scooter_rider(figure: _Figure, who: Person, near_side: int) -> None:
    s, deck = who.size, 0.16
    figure.wheel(-0.48, 0.12, RUBBER)
    figure.wheel(0.46, 0.12, RUBBER)
    figure.limb((0, 0.14, -0.45), (0, 0.14, 0.42), 0.05, 0.05, HANDLEBAR)
    figure.limb((0, 0.2, 0.44), (0, 1.12, 0.34), 0.035, 0.035, SCOOTER_STEM)
    figure.limb((-0.25, 1.12, 0.34), (0.25, 1.12, 0.34), 0.025, 0.025, HANDLEBAR)
    for side, shade in ((-near_side, 0.80), (near_side, 1.0)):
        figure.limb(
            (side * 0.06, 0.92 * s + deck, 0), (side * 0.06, 0.18, -side * 0.13), 0.085, 0.06, who.trousers * shade
        )
    for side, shade in ((-near_side, 0.80), (near_side, 0.94)):
        if side == near_side:
            figure.limb((0, 0.88 * s + deck, 0), (0, 1.36 * s + deck, 0.03), 0.155, 0.18, who.top)
        figure.limb((side * 0.21, 1.38 * s + deck, 0.04), (side * 0.24, 1.14, 0.32), 0.055, 0.045, who.top * shade)
    _head(figure, who, 1.62 * s + deck, 0.05, seen_from_front=True)
