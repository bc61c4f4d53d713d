"""Sequential tests keep the rate of false alarms they were asked for, and find what they are for in time."""

import numpy as np
import pytest

from cvops_monitoring.errors import TooFewFrames, WrongShape
from cvops_monitoring.sequential.bernoulli import MeanBound, MeanShiryaevRoberts, mean_bound
from cvops_monitoring.sequential.bootstrap import block_indices, correlation_time
from cvops_monitoring.sequential.confidence_sequence import bernoulli_interval
from cvops_monitoring.sequential.conformal import conformal
from cvops_monitoring.sequential.count_cusum import CountCusum, calibrate_counts
from cvops_monitoring.sequential.ewma_bank import GRID, EwmaBank, calibrate
from cvops_monitoring.sequential.scalar_bank import ScalarBank, calibrate_scalars
from cvops_monitoring.sequential.shiryaev_roberts import BETS, ShiryaevRoberts, log_threshold

ARL = 1e5


def correlated(rng: np.random.Generator, n: int, dims: int, rho: float) -> np.ndarray:
    x = rng.standard_normal((n, dims))
    x[1:] *= (1 - rho**2) ** 0.5
    for t in range(1, n):
        x[t] += rho * x[t - 1]
    return x


def first_alarm(bank: EwmaBank, x: np.ndarray) -> int | None:
    for begin in range(0, len(x) // GRID * GRID, GRID):
        if (bank.push(x[begin : begin + GRID]) > 0).any():
            return begin + GRID
    return None


def test_the_bank_is_quiet_without_change_and_finds_each_kind_of_change(rng: np.random.Generator):
    dims = 64
    reference = calibrate(rng.standard_normal((1500, dims)), ARL, rng)
    quiet = [first_alarm(EwmaBank(reference), rng.standard_normal((5000, dims))) for _ in range(8)]
    # 40,000 frames at one alarm in 100,000: two alarms or more have a chance of 6 %.
    assert sum(alarm is not None for alarm in quiet) <= 2
    changes = {
        "mean": rng.standard_normal((1500, dims)) + 2 / dims**0.5,
        "variance": rng.standard_normal((1500, dims)) * 1.25**0.5,
        "correlation": rng.standard_normal((1500, dims)),
    }
    common = rng.standard_normal((1500, 1))
    changes["correlation"][:, :16] = 0.5**0.5 * changes["correlation"][:, :16] + 0.5**0.5 * common
    limits = {"mean": 120, "variance": 150, "correlation": 600}
    for name, x in changes.items():
        bank = EwmaBank(reference)
        assert first_alarm(bank, rng.standard_normal((504, dims))) is None
        delay = first_alarm(bank, x)
        assert delay is not None, name
        assert delay <= limits[name], name


def test_a_correlated_stream_raises_its_own_thresholds(rng: np.random.Generator):
    x = correlated(rng, 6000, 16, 0.9)
    assert correlation_time(x) == pytest.approx(19, rel=0.4)
    blocks, single = calibrate(x, ARL, rng), calibrate(x, ARL, rng, block=1)
    quiet = [correlated(rng, 5000, 16, 0.9) for _ in range(6)]
    assert sum(first_alarm(EwmaBank(single), stream) is not None for stream in quiet) == 6
    assert sum(first_alarm(EwmaBank(blocks), stream) is not None for stream in quiet) <= 2


def test_a_restored_bank_goes_on_bit_for_bit(rng: np.random.Generator):
    reference = calibrate(rng.standard_normal((600, 8)), ARL, rng)
    bank = EwmaBank(reference)
    for _ in range(30):
        bank.push(rng.standard_normal((GRID, 8)))
    again = EwmaBank.from_state(reference, bank.to_state())
    x = rng.standard_normal((GRID, 8))
    assert (bank.push(x) == again.push(x)).all()


def test_too_short_a_reference_is_refused_with_what_is_needed(rng: np.random.Generator):
    with pytest.raises(TooFewFrames, match="expected 20: collect"):
        calibrate(correlated(rng, 200, 4, 0.97), ARL, rng)


def test_another_dimension_is_refused_with_both(rng: np.random.Generator):
    bank = EwmaBank(calibrate(rng.standard_normal((600, 8)), ARL, rng))
    with pytest.raises(WrongShape, match=r"\(8, 9\), expected \(N, 8\)"):
        bank.push(np.zeros((GRID, 9)))


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_scalars_are_quiet_without_change_and_the_changed_one_is_named(rng: np.random.Generator, rho: float):
    block = 1 if rho == 0 else 90
    reference = calibrate_scalars(correlated(rng, 4000, 6, rho), ARL, block, rng)
    alarms = 0
    for _ in range(6):
        bank = ScalarBank(reference)
        x = correlated(rng, 5000, 6, rho)
        alarms += any((bank.push(x[i : i + GRID]) > 1).any() for i in range(0, 5000, GRID))
    assert alarms <= 2
    bank, x = ScalarBank(reference), correlated(rng, 4000, 6, rho)
    x[:, 4] += 1.5
    named = {int(k) for i in range(0, 4000, GRID) for k in np.nonzero((bank.push(x[i : i + GRID]) > 1).any(0))[0]}
    assert named == {4}


def test_a_scalar_that_was_constant_forgives_one_odd_frame_and_not_ten(rng: np.random.Generator):
    reference = calibrate_scalars(np.full((1000, 1), 640.0), ARL, 1, rng)
    bank = ScalarBank(reference)
    x = np.full((80, 1), 640.0)
    x[50] = 320
    assert all((bank.push(x[i : i + GRID]) <= 1).all() for i in range(0, 80, GRID))
    x[40:] = 320
    assert any((bank.push(x[i : i + GRID]) > 1).any() for i in range(0, 80, GRID))


def test_values_that_are_not_finite_say_nothing(rng: np.random.Generator):
    reference = calibrate_scalars(rng.standard_normal((1000, 2)), ARL, 1, rng)
    bank = ScalarBank(reference)
    for _ in range(50):
        assert (bank.push(np.full((GRID, 2), np.nan)) <= 1).all()


def test_conformal_p_values_are_uniform_with_ties_and_without(rng: np.random.Generator):
    for draw in (lambda n: rng.standard_normal(n), lambda n: rng.integers(0, 5, n).astype(float)):
        p = conformal(draw(2000)).high(draw(20_000))
        assert p.mean() == pytest.approx(0.5, abs=0.03)
        assert p.min() > 0
    assert conformal(np.arange(999.0)).high(np.array([2000.0]))[0] == pytest.approx(0.5 / 1000)


def test_the_e_detector_keeps_its_rate_and_finds_a_shift(rng: np.random.Generator):
    scores = rng.standard_normal(2000)
    reference, height = conformal(scores), log_threshold(scores, 1e4, 1, rng)
    quiet = ShiryaevRoberts([460.0] * 20).push(reference.high(rng.standard_normal((2000, 20)))).max(0) > height
    assert sum(quiet) <= 8  # 4 are expected at the nominal rate
    evidence = ShiryaevRoberts().push(reference.high(rng.standard_normal((500, 1)) + 1.5))[:, 0]
    assert np.argmax(evidence > height) < 60


def test_evidence_is_that_of_its_recursion_however_many_come_at_once(rng: np.random.Generator):
    p = np.clip(rng.random((203, 2)) ** 1.4, 1e-15, 1)
    wealth, expected = np.zeros((2, len(BETS))), []
    for each in np.maximum(p, 1e-12):
        wealth = (1 + wealth) * BETS * each[:, None] ** (BETS - 1)
        expected.append(np.log(wealth.mean(1)))
    both = [460.0, 460.0]
    assert ShiryaevRoberts(both).push(p) == pytest.approx(np.array(expected), rel=1e-9)
    one_by_one = ShiryaevRoberts(both)
    found = np.concatenate([one_by_one.push(p[i : i + 1]) for i in range(len(p))])
    assert found == pytest.approx(np.array(expected), rel=1e-9)
    highest = ShiryaevRoberts(both)
    assert np.isfinite(highest.push(np.zeros((100, 2)))).all()
    assert ShiryaevRoberts(both, highest.state).push(p) == pytest.approx(highest.push(p), rel=1e-12)


def test_evidence_is_kept_below_the_most_of_its_own(rng: np.random.Generator):
    evidence = ShiryaevRoberts([5.0, 50.0])
    evidence.push(np.full((64, 2), 1e-6))
    low, high = (np.array(row[1:]) for row in evidence.state)
    assert low.max() == pytest.approx(np.exp(5.0))
    assert high.max() == pytest.approx(np.exp(50.0))
    evidence.push(np.array([[1.0, 1e-6]] * 200))
    assert evidence.resting.tolist() == [True, False]
    assert evidence.calm.tolist() == [True, False]


def test_evidence_on_several_means_is_that_of_each_alone(rng: np.random.Generator):
    nulls = [MeanBound("up", 0.1), MeanBound("down", 0.6), MeanBound("up", 0.3)]
    outcomes = rng.random((150, 3))
    together = MeanShiryaevRoberts(nulls)
    evidence = together.push(outcomes)
    for null, mine, found in zip(nulls, outcomes.T, evidence.T, strict=True):
        wealth, p0 = np.zeros(5), null.bound
        for x, value in zip(mine, found, strict=True):
            wealth = (1 + wealth) * (x * null.alternatives / p0 + (1 - x) * (1 - null.alternatives) / (1 - p0))
            assert value == pytest.approx(np.log(wealth.mean()))
    assert MeanShiryaevRoberts(nulls, state=together.state).push(outcomes).tolist() == together.push(outcomes).tolist()
    together.restart([1])
    assert [row[1] for row in together.state][1] == 0 != together.state[0][1]


def test_an_error_rate_that_doubles_is_found_within_300_labels(rng: np.random.Generator):
    delays = []
    for _ in range(15):
        detector = MeanShiryaevRoberts([MeanBound("up", 0.10)])
        assert (detector.push((rng.random((1000, 1)) < 0.1).astype(float)) < np.log(ARL)).all()
        evidence = detector.push((rng.random((1500, 1)) < 0.2).astype(float))
        delays.append(int(np.argmax(evidence > np.log(ARL))))
    assert np.median(delays) <= 300


def test_the_bound_of_a_small_audit_never_alarms_by_its_own_error(rng: np.random.Generator):
    alarms = 0
    for _ in range(20):
        null = mean_bound(rng.binomial(200, 0.1), 200, "up")
        alarms += (MeanShiryaevRoberts([null]).push((rng.random((4000, 1)) < 0.1).astype(float)) > np.log(ARL)).any()
    assert alarms <= 2


def test_the_confidence_sequence_covers_at_all_times_at_once(rng: np.random.Generator):
    missed = 0
    for _ in range(60):
        successes = np.cumsum(rng.random(600) < 0.3)
        looks = [bernoulli_interval(float(successes[n - 1]), n) for n in range(10, 601, 30)]
        missed += any(not look.low <= 0.3 <= look.high for look in looks)
    assert missed <= 7  # 3 at the nominal 5 %
    assert bernoulli_interval(0, 0).high == 1


@pytest.mark.parametrize(("rate", "direction"), [(6.0, 0), (2.4, 1)])
def test_counts_that_grow_or_shrink_are_found_with_their_direction(
    rng: np.random.Generator, rate: float, direction: int
):
    reference = calibrate_counts(rng.poisson(4, 2000).astype(float), ARL, 1, rng)
    cusum = CountCusum(reference)
    assert all((cusum.push(rng.poisson(4, 8).astype(float)) < 1).all() for _ in range(200))
    above = [cusum.push(rng.poisson(rate, 8).astype(float)) > 1 for _ in range(20)]
    assert above[-1][direction]
    assert not above[-1][1 - direction]


def test_blocks_of_a_bootstrap_keep_neighbours_together(rng: np.random.Generator):
    indices = block_indices(100, 10, 95, rng, 3)
    assert indices.shape == (3, 95)
    assert (np.diff(indices[:, :10]) == 1).all()
    assert indices.min() >= 0
    assert indices.max() < 100
