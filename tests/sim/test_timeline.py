"""Effects in time."""

import math

import pytest

from cvops_sim.effects.clock import CLOCK, DROPPED, FROZEN, LATE
from cvops_sim.effects.registry import EFFECTS
from cvops_sim.timeline import Occurrence, active, as_truth
from cvops_sim.timing import moment
from cvops_sim.truth import ActiveEffect


def test_an_effect_grows_in_a_straight_line_stays_and_ends():
    fog = Occurrence(EFFECTS["fog"], 0.8, start_s=10, ramp_s=4, end_s=20)
    levels = {at_s: fog.level(at_s) for at_s in (0, 9.999, 10, 11, 14, 19.999, 20, math.inf)}
    assert levels == {0: 0, 9.999: 0, 10: 0, 11: pytest.approx(0.2), 14: 0.8, 19.999: 0.8, 20: 0, math.inf: 0}


def test_without_a_ramp_it_is_there_at_once():
    assert Occurrence(EFFECTS["fog"], 1.0, start_s=5).level(5) == 1.0


def test_only_what_is_at_work_stands_in_the_truth():
    occurrences = [Occurrence(EFFECTS["fog"], 0.5, start_s=1), Occurrence(EFFECTS["yaw"], -4.0, end_s=3)]
    assert as_truth(active(occurrences, 2)) == (ActiveEffect("fog", 0.5), ActiveEffect("yaw", -4.0))
    assert as_truth(active(occurrences, 0)) == (ActiveEffect("yaw", -4.0),)
    assert as_truth(active(occurrences, 5)) == (ActiveEffect("fog", 0.5),)


def test_a_frozen_stream_shows_the_moment_it_froze_and_keeps_its_time_stamps():
    times = moment([(Occurrence(FROZEN, 1.0, start_s=10), 1.0)], 25.0, seed=1, sequence=125)
    assert (times.seen_s, times.shown_s, times.stamped_s, times.there_s, times.dropped) == (10, 10, 25, 25, False)


def test_late_frames_keep_their_time_and_a_wrong_clock_is_seen_in_the_picture_and_in_the_stamp():
    late = moment([(Occurrence(LATE, 20.0), 20.0)], 25.0, seed=1, sequence=125)
    assert (late.seen_s, late.shown_s, late.stamped_s, late.there_s) == (25, 25, 25, 45)
    wrong = moment([(Occurrence(CLOCK, -60.0), -60.0)], 25.0, seed=1, sequence=125)
    assert (wrong.seen_s, wrong.shown_s, wrong.stamped_s, wrong.there_s) == (25, -35, -35, 25)


def test_the_share_of_dropped_frames_is_that_of_the_magnitude_and_always_the_same_ones():
    def dropped(magnitude: float) -> list[bool]:
        occurrence = Occurrence(DROPPED, magnitude)
        return [moment([(occurrence, magnitude)], n / 5, seed=3, sequence=n).dropped for n in range(2000)]

    # Binomial: 600 expected, standard deviation 20.5; four of them on both sides.
    assert 518 < sum(dropped(0.3)) < 682
    assert dropped(0.3) == dropped(0.3)
    assert all(dropped(1.0))
