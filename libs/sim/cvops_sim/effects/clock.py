"""When frames are captured, stamped and there. What they do is in `cvops_sim.timing`."""

from cvops_sim.effects.kind import ActsOn, Kind

LONGEST_S = 86_400.0

FROZEN = Kind("frozen", ActsOn.CLOCK, "the stream repeats one picture", "above 0: frozen")
DROPPED = Kind("dropped", ActsOn.CLOCK, "frames are lost before they reach the agent", "share that is lost")
LATE = Kind("late", ActsOn.CLOCK, "frames arrive late, with their right time", "seconds", 0.0, LONGEST_S)
CLOCK = Kind("clock-offset", ActsOn.CLOCK, "the camera's clock is wrong", "seconds ahead", -LONGEST_S, LONGEST_S)

KINDS = (FROZEN, DROPPED, LATE, CLOCK)
