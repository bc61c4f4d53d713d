"""Weather, light, and what moves a camera or changes its place."""

from dataclasses import replace

from cvops_sim.camera import Turn
from cvops_sim.effects.kind import ActsOn, Kind, WorldChange
from cvops_sim.world import World

LOWEST_FOG_PER_M, MORE_FOG_PER_M = 0.004, 0.036
KNOCKED = Turn(yaw_deg=21.0, pitch_deg=24.0, roll_deg=58.0)
FARTHEST_DEG = 60.0


def _fog(world: World, magnitude: float) -> World:
    added = LOWEST_FOG_PER_M * magnitude + MORE_FOG_PER_M * magnitude**2
    return replace(world, fog_per_m=world.fog_per_m + added)


def _snow(world: World, magnitude: float) -> World:
    return replace(world, snow=max(world.snow, magnitude))


def _night(world: World, magnitude: float) -> World:
    return replace(world, dark=max(world.dark, magnitude))


def _infrared_night(world: World, magnitude: float) -> World:
    return replace(world, dark=max(world.dark, magnitude), infrared=max(world.infrared, magnitude))


def _turned(world: World, turn: Turn) -> World:
    return replace(world, turn=world.turn + turn)


def _yaw(world: World, magnitude: float) -> World:
    return _turned(world, Turn(yaw_deg=magnitude))


def _pitch(world: World, magnitude: float) -> World:
    return _turned(world, Turn(pitch_deg=magnitude))


def _roll(world: World, magnitude: float) -> World:
    return _turned(world, Turn(roll_deg=magnitude))


def _knocked(world: World, magnitude: float) -> World:
    share = Turn(KNOCKED.yaw_deg * magnitude, KNOCKED.pitch_deg * magnitude, KNOCKED.roll_deg * magnitude)
    return _turned(world, share)


def _scooters(world: World, magnitude: float) -> World:
    return replace(world, scooters=max(world.scooters, magnitude))


def _works(world: World, magnitude: float) -> World:
    return replace(world, works=world.works or magnitude > 0)


def _turning(name: str, doc: str, meaning: str, change: WorldChange) -> Kind:
    return Kind(name, ActsOn.WORLD, doc, meaning, -FARTHEST_DEG, FARTHEST_DEG, world=change)


KINDS = (
    Kind("fog", ActsOn.WORLD, "fog in the air", "1: sight of 25 m (extinction 0.04 per m)", world=_fog),
    Kind("snow", ActsOn.WORLD, "snow on the ground and in the air", "1: everything is white", world=_snow),
    Kind("night", ActsOn.WORLD, "the sun goes, lamps and headlights are lit", "1: deep night", world=_night),
    Kind(
        "ir-night",
        ActsOn.WORLD,
        "night, seen by the camera's infra-red lamp",
        "1: grey throughout",
        world=_infrared_night,
    ),
    _turning("yaw", "the wind turns the camera sideways", "degrees, right is positive", _yaw),
    _turning("pitch", "the camera sinks or rises", "degrees, down is positive", _pitch),
    _turning("roll", "the camera tilts", "degrees, clockwise is positive", _roll),
    Kind(
        "knocked", ActsOn.WORLD, "the camera is knocked down", "1: 21 degrees right, 24 down, 58 rolled", world=_knocked
    ),
    Kind(
        "scooters",
        ActsOn.WORLD,
        "a new class appears: kick scooters",
        "share of cyclists that ride one",
        world=_scooters,
    ),
    Kind("works", ActsOn.WORLD, "roadworks close the outer right lane", "above 0: closed", world=_works),
)
