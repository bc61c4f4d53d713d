"""Cars, vans, trucks and buses, each a little different by its seed."""

from functools import lru_cache

import numpy as np

from cvops_sim.arrays import Colour, mix, rgb
from cvops_sim.objects.kinds import Kind
from cvops_sim.objects.mesh import Mesh, MeshBuilder
from cvops_sim.objects.shape import Outfit, footprint
from cvops_sim.rng import generator

LENGTH_M = {Kind.CAR: 4.4, Kind.VAN: 5.4, Kind.TRUCK: 9.0, Kind.BUS: 11.6}
PAINTS = (
    rgb(238, 238, 236),
    rgb(205, 208, 210),
    rgb(150, 153, 156),
    rgb(95, 98, 102),
    rgb(42, 43, 46),
    rgb(40, 62, 120),
    rgb(58, 98, 160),
    rgb(150, 34, 36),
    rgb(188, 52, 40),
    rgb(60, 92, 66),
    rgb(196, 176, 132),
    rgb(222, 150, 40),
    rgb(240, 240, 240),
    rgb(30, 32, 36),
    rgb(120, 124, 130),
)
BUS_PAINTS = (rgb(208, 58, 48), rgb(236, 190, 52), rgb(60, 110, 170), rgb(232, 232, 228))
CARGO_PAINTS = (rgb(226, 226, 222), rgb(70, 100, 150), rgb(172, 60, 52), rgb(200, 202, 204), rgb(82, 118, 88))
GLASS = rgb(44, 52, 60)
BLACK = rgb(34, 34, 36)
HEADLIGHT = rgb(235, 232, 228)
TAILLIGHT = rgb(176, 30, 36)
NUMBER_PLATE = rgb(216, 216, 214)
AMBER = rgb(236, 190, 40)
GLASS_GLOSS = 0.30


@lru_cache(maxsize=512)
def vehicle(kind: Kind, seed: int) -> Mesh:
    """The vehicle of a seed."""
    rng = generator(seed, "vehicle", kind)
    scale = 1 + 0.08 * float(rng.uniform(-0.5, 0.5))
    paint = PAINTS[int(rng.integers(len(PAINTS)))]
    half = LENGTH_M[kind] * scale / 2
    build = {Kind.CAR: _car, Kind.VAN: _van, Kind.TRUCK: _truck, Kind.BUS: _bus}[kind]
    return build(rng, half, scale, paint)


def _outfit(height_m: float, half_width: float, half: float, lamp_up: float) -> Outfit:
    x = half_width * 0.74
    return Outfit(
        height_m,
        footprint(half_width, half),
        np.array([(-x, lamp_up, half + 0.02), (x, lamp_up, half + 0.02)]),
        np.array([(-x, lamp_up, -half - 0.02), (x, lamp_up, -half - 0.02)]),
        beams=True,
    )


def _car(rng: np.random.Generator, half: float, scale: float, paint: Colour) -> Mesh:
    tall = rng.random() < 0.3
    hatch = tall or rng.random() < 0.45
    width = 0.93 if tall else 0.90
    top = (1.66 if tall else 1.45) * scale
    belt = (0.98 if tall else 0.88) * scale
    mesh = MeshBuilder(0.55)
    tail_up, nose_up = belt - 0.06, belt - 0.24
    body = [
        (-half, 0.30, width * 0.95),
        (-half, tail_up * 0.94, width * 0.95),
        (-half * 0.95, tail_up, width * 0.97),
        (-half * 0.60, belt, width),
        (half * 0.40, belt, width),
        (half * 0.90, nose_up + 0.08, width * 0.96),
        (half, nose_up - 0.06, width * 0.92),
        (half, 0.30, width * 0.92),
    ]
    mesh.hull(body, 0.24, [paint] * 7, paint)
    for sign in (-1, 1):
        mesh.flank(sign * width * 1.003, -half * 0.94, half * 0.94, 0.24, 0.36, paint * 0.45)
        mesh.flank(sign * width * 1.003, -half * 0.2 - 0.012, -half * 0.2 + 0.012, 0.4, belt - 0.04, paint * 0.7)
        mesh.flank(
            sign * width * 1.003, -half * 0.55, half * 0.38, belt - 0.10, belt - 0.03, np.minimum(paint * 1.12, 250)
        )
    mesh.wheels(width, (half * 0.62, -half * 0.60), 0.33)
    rear_foot = -half * (0.93 if hatch else 0.64)
    rear_top, front_top, front_foot = rear_foot + half * (0.16 if hatch else 0.26), half * 0.08, half * 0.44
    roof = width * 0.76
    cabin = [
        (rear_foot, belt, width * 0.90),
        (rear_top, top, roof),
        (front_top, top, roof),
        (front_foot, belt, width * 0.90),
    ]
    mesh.hull(cabin, belt, [GLASS, paint, GLASS], GLASS, GLASS_GLOSS)
    for sign in (-1, 1):
        for z, wide in ((-half * 0.2, 0.05), (rear_foot + 0.22, 0.10)):
            low, high = sign * width * 0.91, sign * roof * 1.01
            upper = min(max(z, rear_top), front_top)
            mesh.face(
                [(low, belt, z - wide), (low, belt, z + wide), (high, top, upper + wide), (high, top, upper - wide)],
                paint * 0.8,
            )
        mirror = sign * (width + 0.14)
        mesh.front(
            half * 0.36,
            min(sign * width * 0.95, mirror),
            max(sign * width * 0.95, mirror),
            belt,
            belt + 0.16,
            paint * 0.8,
        )
        _lamps(mesh, half, width, sign, (nose_up - 0.20, nose_up - 0.04), (tail_up - 0.26, tail_up - 0.06))
    mesh.front(half + 0.01, -width * 0.5, width * 0.5, 0.36, nose_up - 0.20, BLACK)
    mesh.front(half + 0.015, -0.26, 0.26, 0.36, 0.46, NUMBER_PLATE)
    mesh.front(-half - 0.01, -width * 0.9, width * 0.9, 0.28, 0.42, BLACK)
    mesh.front(-half - 0.015, -0.26, 0.26, 0.50, 0.62, NUMBER_PLATE)
    return mesh.build(_outfit(top, width, half, 0.64))


def _lamps(
    mesh: MeshBuilder, half: float, width: float, sign: int, front: tuple[float, float], rear: tuple[float, float]
) -> None:
    inner, outer = sorted((sign * width * 0.55, sign * width * 0.90))
    mesh.front(half + 0.012, inner, outer, front[0], front[1], HEADLIGHT)
    inner, outer = sorted((sign * width * 0.62, sign * width * 0.93))
    mesh.front(-half - 0.012, inner, outer, rear[0], rear[1], TAILLIGHT)


def _van(rng: np.random.Generator, half: float, scale: float, paint: Colour) -> Mesh:
    paint = rgb(234, 234, 232) if rng.random() < 0.55 else paint
    width, top = 1.0, 2.25 * scale
    glazed = rng.random() < 0.3
    mesh = MeshBuilder(0.9)
    body = [
        (-half, 0.34, width),
        (-half, top * 0.97, width * 0.93),
        (-half * 0.94, top, width * 0.90),
        (half * 0.38, top, width * 0.88),
        (half * 0.72, 1.18, width * 0.97),
        (half * 0.97, 0.98, width * 0.95),
        (half, 0.80, width * 0.94),
        (half, 0.34, width * 0.94),
    ]
    mesh.hull(body, 0.30, [paint, paint, paint, GLASS, paint, paint, paint], paint, 0.10)
    for sign in (-1, 1):
        mesh.flank(sign * width * 1.003, -half * 0.97, half * 0.97, 0.30, 0.46, BLACK)
        mesh.flank(sign * width * 1.003, -half * 0.95, half * 0.60, 0.92, 1.0, paint * 0.85)
        glass = [(1.003, 1.22, 0.28), (1.003, 1.22, 0.62), (0.965, 1.82, 0.44), (0.965, 1.82, 0.28)]
        mesh.face([(sign * width * w, y, half * z) for w, y, z in glass], GLASS, GLASS_GLOSS)
        if glazed:
            for start in (-0.9, -0.5, -0.1):
                mesh.flank(sign * width * 0.985, half * start, half * (start + 0.33), 1.25, 1.85, GLASS, GLASS_GLOSS)
        _lamps(mesh, half, width, sign, (0.62, 0.84), (0.75, 1.25))
        mirror = sorted((sign * width * 0.97, sign * (width + 0.2)))
        mesh.front(half * 0.6, mirror[0], mirror[1], 1.15, 1.45, BLACK)
        pane = sorted((sign * width * 0.10, sign * width * 0.74))
        mesh.front(-half - 0.012, pane[0], pane[1], 1.30, 1.88, GLASS)
    mesh.wheels(width, (half * 0.64, -half * 0.60), 0.36)
    mesh.front(-half - 0.014, -0.012, 0.012, 0.5, top * 0.93, paint * 0.5)
    mesh.front(half + 0.012, -width * 0.48, width * 0.48, 0.42, 0.66, BLACK)
    mesh.front(half + 0.014, -0.26, 0.26, 0.36, 0.47, NUMBER_PLATE)
    mesh.front(-half - 0.014, -0.26, 0.26, 0.55, 0.67, NUMBER_PLATE)
    return mesh.build(_outfit(top, width, half, 0.72))


def _truck(rng: np.random.Generator, half: float, scale: float, paint: Colour) -> Mesh:
    cargo = CARGO_PAINTS[int(rng.integers(len(CARGO_PAINTS)))]
    width, top = 1.25, 3.5 * scale
    wall = half - 2.1
    mesh = MeshBuilder(1.6)
    mesh.group(half - 1.0)
    cab = [
        (wall + 0.15, 0.5, width),
        (wall + 0.15, 2.75, width * 0.95),
        (half * 0.93, 2.75, width * 0.95),
        (half * 0.985, 1.5, width),
        (half, 0.5, width),
    ]
    mesh.hull(cab, 0.45, [paint * 0.6, paint, GLASS, paint], paint, 0.10)
    mesh.wheels(width, (half - 1.2,), 0.48)
    for sign in (-1, 1):
        glass = [(1.004, 1.6, wall + 0.9), (1.004, 1.6, half * 0.95), (0.99, 2.4, half * 0.92), (0.99, 2.4, wall + 0.9)]
        mesh.face([(sign * width * w, y, z) for w, y, z in glass], GLASS, GLASS_GLOSS)
        inner, outer = sorted((sign * width * 0.6, sign * width * 0.92))
        mesh.front(half + 0.012, inner, outer, 0.72, 0.94, HEADLIGHT)
        arm = sorted((sign * width, sign * (width + 0.22)))
        mesh.front(half * 0.94, arm[0], arm[1], 1.7, 2.35, BLACK)
    mesh.front(half + 0.012, -width * 0.5, width * 0.5, 0.8, 1.35, BLACK)
    mesh.front(half + 0.014, -0.26, 0.26, 0.55, 0.68, NUMBER_PLATE)
    mesh.group(-1.0)
    chassis = [(-half, 0.6, width * 0.9), (-half, 0.95, width * 0.9), (wall, 0.95, width * 0.9)]
    mesh.hull(chassis, 0.6, [BLACK, BLACK], BLACK, 0.0)
    mesh.wheels(width, (-half + 1.2, -half + 2.3), 0.48)
    box = [(-half, 0.95, width), (-half, top, width), (wall, top, width), (wall, 0.95, width)]
    mesh.hull(box, 0.95, [cargo, np.minimum(cargo * 1.05, 250), cargo], cargo, 0.04)
    for sign in (-1, 1):
        mesh.flank(sign * width * 1.003, -half, wall, 0.95, 1.06, cargo * 0.55)
        mesh.flank(sign * width * 1.003, -half, wall, top - 0.1, top, cargo * 0.72)
        inner, outer = sorted((sign * width * 0.7, sign * width * 0.95))
        mesh.front(-half - 0.012, inner, outer, 0.68, 0.9, TAILLIGHT)
    mesh.front(-half - 0.012, -0.02, 0.02, 1.0, top - 0.1, cargo * 0.45)
    mesh.front(-half - 0.012, -width, width, 0.95, 1.05, cargo * 0.5)
    mesh.front(-half - 0.014, -0.26, 0.26, 0.68, 0.8, NUMBER_PLATE)
    return mesh.build(_outfit(top, width, half, 0.8))


def _bus(rng: np.random.Generator, half: float, scale: float, paint: Colour) -> Mesh:
    del paint
    livery = BUS_PAINTS[int(rng.integers(len(BUS_PAINTS)))]
    width, top = 1.27, 3.1 * scale
    mesh = MeshBuilder(1.4)
    roof = mix(livery, rgb(230, 230, 230), 0.6)
    body = [
        (-half, 0.36, width),
        (-half, top - 0.12, width * 0.98),
        (-half * 0.98, top, width * 0.94),
        (half * 0.97, top, width * 0.94),
        (half, top - 0.15, width * 0.98),
        (half, 0.36, width),
    ]
    mesh.hull(body, 0.32, [livery, roof, roof, roof, livery], livery, 0.10)
    for sign in (-1, 1):
        mesh.flank(sign * width * 1.003, -half * 0.96, half * 0.96, 1.28, 2.50, livery * 0.7)
        step = 2 * half * 0.96 / 8
        for pane in range(8):
            start = -half * 0.95 + pane * step
            low = 0.5 if pane in (3, 7) and sign > 0 else 1.36
            mesh.flank(sign * width * 1.006, start, start + step - 0.14, low, 2.45, GLASS, GLASS_GLOSS)
        mesh.flank(sign * width * 1.003, -half, half, 0.32, 0.5, livery * 0.45)
        inner, outer = sorted((sign * width * 0.62, sign * width * 0.92))
        mesh.front(half + 0.012, inner, outer, 0.62, 0.84, HEADLIGHT)
        mesh.front(-half - 0.012, inner, outer, 0.7, 1.1, TAILLIGHT)
        arm = sorted((sign * width, sign * (width + 0.22)))
        mesh.front(half * 0.99, arm[0], arm[1], 1.9, 2.4, BLACK)
    mesh.wheels(width, (half * 0.58, -half * 0.5), 0.48)
    mesh.front(half + 0.012, -width * 0.92, width * 0.92, 1.12, 2.52, GLASS)
    mesh.front(half + 0.014, -width * 0.6, width * 0.6, 2.62, 2.92, AMBER)
    mesh.front(-half - 0.012, -width * 0.8, width * 0.8, 1.6, 2.5, GLASS)
    mesh.front(-half - 0.012, -width * 0.7, width * 0.7, 0.55, 0.68, BLACK)
    return mesh.build(_outfit(top, width, half, 0.78))
