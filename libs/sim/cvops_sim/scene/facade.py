"""Fronts of houses: flat pictures of walls, windows and shops, by day and lit from inside."""

from dataclasses import dataclass

import numpy as np

from cvops_sim.arrays import Colour, Image, Plane, rgb
from cvops_sim.noise_fields import fractal

BAY_PX = 24
FLOOR_PX = 32
CORNICE_PX = 10
FLOOR_M = 3.1
PLASTER = (
    rgb(196, 176, 150),
    rgb(172, 132, 108),
    rgb(202, 198, 190),
    rgb(160, 158, 156),
    rgb(150, 104, 86),
    rgb(214, 200, 172),
    rgb(132, 140, 150),
    rgb(126, 98, 86),
)
AWNINGS = (rgb(150, 44, 40), rgb(36, 82, 68), rgb(40, 62, 104), rgb(196, 170, 110), rgb(70, 70, 74))
GLASS = rgb(70, 84, 98)
LAMPLIT = rgb(255, 198, 120)


@dataclass(frozen=True, eq=False)
class Facade:
    """A front seen straight on.

    Attributes:
        day: uint8 (h, w, 3), as under a white noon sky.
        glow: uint8 (h, w, 3), the light of its windows at night.
    """

    day: Image
    glow: Image


def make_facade(
    rng: np.random.Generator, wall: Colour, width_m: float, height_m: float, style: int, *, shops: bool
) -> Facade:
    """A front of `width_m` by `height_m`; `style` 0 to 2 sets its windows, `shops` puts shops on the ground floor."""
    floors = max(1, int(height_m / FLOOR_M))
    bays = max(2, int(width_m / (1.9 + 0.8 * style)))
    rows, columns = floors * FLOOR_PX + CORNICE_PX, bays * BAY_PX
    day = np.ones((rows, columns, 3), np.float32) * wall
    stains = np.resize(fractal()[: rows // 2 + 1, : columns // 2 + 1].repeat(2, 0).repeat(2, 1), (rows, columns))
    day *= (1 + 0.09 * (stains - 0.5))[..., None]
    day[:8] = wall * 0.78
    day[8:10] = wall * 0.6
    glow = np.zeros_like(day)
    for floor in range(floors):
        top = CORNICE_PX + floor * FLOOR_PX
        day[top - 2 : top] *= 0.88
        if shops and floor == floors - 1:
            _shop_front(rng, day, glow, top, wall)
            continue
        for bay in range(bays):
            _window(rng, day, glow, top, bay * BAY_PX, wall, style)
    return Facade(np.clip(day, 0, 255).astype(np.uint8), np.clip(glow, 0, 255).astype(np.uint8))


def _window(rng: np.random.Generator, day: Plane, glow: Plane, top: int, left: int, wall: Colour, style: int) -> None:
    x0, x1 = ((5, 19), (3, 21), (7, 17))[style]
    y0, y1 = (8, 25) if style == 2 else (6, 26)
    frame = np.s_[top + y0 - 1 : top + y1 + 1, left + x0 - 1 : left + x1 + 1]
    pane = np.s_[top + y0 : top + y1, left + x0 : left + x1]
    day[frame] = np.minimum(wall * 1.16, 250)
    brightness = float(rng.uniform(0.75, 1.2))
    reflection = np.linspace(1.5, 0.85, y1 - y0, dtype=np.float32)[:, None, None]
    day[pane] = GLASS * brightness * reflection
    if rng.random() < 0.35:  # curtains
        day[top + y0 : top + y1 - 4, left + x0 : left + x0 + 3] = wall * 1.05
        day[top + y0 : top + y1 - 4, left + x1 - 3 : left + x1] = wall * 1.05
    day[top + y0 : top + y1, left + 11 : left + 13] = wall * 1.05
    day[top + y1 + 1 : top + y1 + 3, left + x0 - 2 : left + x1 + 2] = wall * 0.72
    if style == 1 and rng.random() < 0.3:  # a balcony's rail
        day[top + y1 - 6 : top + y1 + 1, left + 1 : left + 23 : 2] = wall * 0.45
    if rng.random() < 0.2:
        glow[pane] = LAMPLIT * float(rng.uniform(0.25, 0.72))


def _shop_front(rng: np.random.Generator, day: Plane, glow: Plane, top: int, wall: Colour) -> None:
    day[top + 2 :] = wall * 0.62
    columns = day.shape[1]
    left = 4
    while left < columns - 24:
        width = min(int(rng.integers(30, 62)), columns - left - 4)
        pane = np.s_[top + 11 : top + 29, left : left + width]
        day[pane] = GLASS * float(rng.uniform(0.7, 1.1))
        day[top + 11 : top + 17, left : left + width] *= 1.35
        awning = AWNINGS[int(rng.integers(len(AWNINGS)))]
        day[top + 4 : top + 11, left - 2 : left + width + 2] = awning
        day[top + 9 : top + 11, left - 2 : left + width + 2] = awning * 0.7
        if rng.random() < 0.5:
            glow[pane] = LAMPLIT * float(rng.uniform(0.3, 0.6))
        left += width + int(rng.integers(8, 18))
