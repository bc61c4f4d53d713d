"""Error rates of the sequential tests, by simulation with a fixed seed."""

import math

import numpy as np
import pytest

from cvops_trainer.rollouts.evidence import Betting, Comparison, balance

ALPHA = 0.05
RUNS, FRAMES = 400, 400


def first_crossing(logs, threshold):
    over = np.flatnonzero(np.asarray(logs) > threshold)
    return int(over[0]) if len(over) else None


def differences(rng, mean, spread=0.35):
    """Differences of F1 scores: mostly small, bounded, of the wished mean."""
    return np.clip(rng.normal(mean, spread, FRAMES), -1, 1)


def alarms(mean, kind, margin=0.0, runs=RUNS):
    rng = np.random.default_rng(7)
    crossings = []
    for _ in range(runs):
        comparison, logs = Comparison(margin), []
        for difference in differences(rng, mean):
            comparison.take(0.5 + difference / 2, 0.5 - difference / 2)
            logs.append(getattr(comparison, kind))
        crossings.append(first_crossing(logs, -math.log(ALPHA)))
    return crossings


def test_a_candidate_that_is_no_better_is_promoted_no_more_often_than_stated():
    crossed = [at for at in alarms(0.0, "log_for") if at is not None]
    assert len(crossed) / RUNS <= ALPHA


def test_a_candidate_that_is_worse_by_the_margin_is_called_worse_no_more_often_than_stated():
    crossed = [at for at in alarms(-0.02, "log_against", margin=0.02) if at is not None]
    assert len(crossed) / RUNS <= ALPHA


@pytest.mark.parametrize(("mean", "most_frames"), [(0.4, 25), (0.2, 45), (0.1, 160)])
def test_a_gain_is_found_soon(mean, most_frames):
    crossed = alarms(mean, "log_for", runs=100)
    assert all(at is not None for at in crossed)
    assert np.median(crossed) <= most_frames


def test_a_loss_is_found_soon():
    crossed = alarms(-0.3, "log_against", margin=0.02, runs=100)
    assert all(at is not None for at in crossed)
    assert np.median(crossed) <= 30


def test_the_interval_holds_at_all_times():
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(200):
        comparison, outside = Comparison(), False
        for difference in differences(rng, 0.1):
            comparison.take(0.5 + difference / 2, 0.5 - difference / 2)
            low, high = comparison.interval()
            outside |= not low <= 0.1 <= high
        missed += outside
    assert missed / 200 <= 0.05


def test_an_e_value_is_on_average_no_more_than_one_under_its_null():
    rng = np.random.default_rng(11)
    values = []
    for _ in range(4000):
        betting = Betting()
        for difference in rng.choice([-1.0, 1.0], 5):
            betting.take(difference)
        values.append(math.exp(betting.log_wealth))
    assert np.mean(values) == pytest.approx(1.0, abs=0.1)


def test_the_state_goes_on_as_if_nothing_had_happened():
    one = Comparison(0.02)
    for value in (0.9, 0.1, 0.7):
        one.take(value, 0.5)
    other = Comparison.from_state(one.to_state())
    one.take(0.8, 0.2)
    other.take(0.8, 0.2)
    assert other == one


@pytest.mark.parametrize(
    ("amounts", "shares"), [((3.0, 1.0), (0.75, 0.25)), ((0.0, 0.0), (0.5, 0.5)), ((0, 2), (0, 1))]
)
def test_amounts_become_shares(amounts, shares):
    assert balance(*amounts) == shares
