"""Brightness regimes: day, night and infrared look so different that each needs a reference of its own."""

from typing import Final, Literal

Regime = Literal["day", "night", "infrared"]
REGIMES: Final[tuple[Regime, ...]] = ("day", "night", "infrared")

_NIGHT_BELOW, _DAY_ABOVE = 45.0, 60.0
_GREY_BELOW, _COLOUR_ABOVE = 5.0, 10.0


def next_regime(before: Regime | None, brightness: float, saturation: float) -> Regime:
    """The regime of a frame, with hysteresis: a picture between two regimes keeps the one it had.

    Args:
        before: regime of the frame before; None: there was none.
        brightness: mean luma, 0..255.
        saturation: mean HSV saturation, 0..255; near 0 for an infrared picture.
    """
    if saturation < (_COLOUR_ABOVE if before == "infrared" else _GREY_BELOW):
        return "infrared"
    if brightness < (_DAY_ABOVE if before == "night" else _NIGHT_BELOW):
        return "night"
    return "day"
