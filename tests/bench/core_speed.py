"""How fast a core is right now: virtual machines differ by a factor of three, and one of them from hour to hour."""

import time

_TURNS = 2_000_000


def million_turns_per_s() -> float:
    """Turns of an empty loop of Python a second, in millions, of this thread's CPU time."""
    began_s = time.thread_time()
    for _ in range(_TURNS):
        pass
    return _TURNS / 1e6 / (time.thread_time() - began_s)
