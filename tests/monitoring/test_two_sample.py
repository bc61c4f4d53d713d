"""Explanations are exact, or keep their nominal error."""

import numpy as np
import pytest
from scipy import stats

from cvops_monitoring.errors import WrongShape
from cvops_monitoring.harm.atc import atc_accuracy, atc_threshold
from cvops_monitoring.harm.confidence import estimated_harm
from cvops_monitoring.two_sample.divergence import divergences
from cvops_monitoring.two_sample.domain import separation
from cvops_monitoring.two_sample.histogram import counts, quantile_edges
from cvops_monitoring.two_sample.ks import KsReference, ks_2samp


@pytest.mark.parametrize("kind", ["continuous", "ties", "constant", "one value"])
def test_ks_equals_scipy_to_1e_12(rng: np.random.Generator, kind: str):
    for _ in range(60):
        n, m = rng.integers(1, 300, 2)
        if kind == "continuous":
            x_ref, x = rng.standard_normal(n), rng.standard_normal(m) + 0.3
        elif kind == "ties":
            x_ref, x = rng.integers(0, 6, n).astype(float), rng.integers(1, 8, m).astype(float)
        elif kind == "constant":
            x_ref, x = np.ones(n), np.ones(m)
        else:
            x_ref, x = rng.integers(0, 2, n).astype(float), np.ones(1)
        expected, found = stats.ks_2samp(x_ref, x, method="asymp"), ks_2samp(x_ref, x)
        assert abs(found.statistic[0] - expected.statistic) < 1e-12
        assert abs(found.p_value[0] - expected.pvalue) < 1e-12


def test_ks_tests_all_columns_at_once(rng: np.random.Generator):
    x_ref, x = rng.standard_normal((500, 7)), rng.standard_normal((90, 7))
    found = KsReference(x_ref).test(x)
    expected = [stats.ks_2samp(x_ref[:, d], x[:, d], method="asymp").pvalue for d in range(7)]
    assert found.p_value == pytest.approx(expected, abs=1e-12)
    with pytest.raises(WrongShape, match="expected \\(n, 7\\)"):
        KsReference(x_ref).test(x[:, :3])


@pytest.mark.parametrize("n", [50, 200])
@pytest.mark.parametrize("classes", [3, 20])
def test_psi_js_and_chi_square_keep_their_nominal_5_percent(rng: np.random.Generator, n: int, classes: int):
    shares = rng.dirichlet(np.full(classes, 0.5))
    rejected, draws = np.zeros(3), 500
    for _ in range(draws):
        found = divergences(rng.multinomial(2000, shares), rng.multinomial(n, shares), rng)
        rejected += [each.p_value <= 0.05 for each in (found.psi, found.jensen_shannon, found.chi_square)]
    # Two standard errors of 500 draws are 2 %.
    assert ((rejected / draws > 0.02) & (rejected / draws < 0.08)).all()


def test_divergences_of_a_new_class_are_significant_and_empty_classes_do_no_harm(rng: np.random.Generator):
    found = divergences(np.array([500, 500, 0, 0]), np.array([40, 40, 0, 20]), rng)
    assert found.psi.p_value < 0.01
    assert found.psi.value > found.psi.threshold
    same = divergences(np.array([500, 0, 500]), np.array([50, 0, 50]), rng)
    assert same.chi_square.value == 0
    with pytest.raises(WrongShape):
        divergences(np.array([1, 2]), np.array([0, 0]), rng)


def test_frames_of_one_law_cannot_be_told_apart_and_shifted_ones_can(rng: np.random.Generator):
    same = [separation(rng.standard_normal((400, 24)), rng.standard_normal((100, 24))) for _ in range(10)]
    assert np.mean([each.auc for each in same]) == pytest.approx(0.5, abs=0.04)
    assert np.mean([each.outside for each in same]) < 0.06
    far = separation(rng.standard_normal((400, 24)), rng.standard_normal((100, 24)) + 1)
    assert far.auc > 0.95
    assert far.outside > 0.5


def test_histograms_know_ties_and_constants():
    assert counts(np.ones(10), quantile_edges(np.ones(50), 8)).tolist() == [10, 0]
    edges = quantile_edges(np.array([0, 0, 0, 1, 2.0]), 4)
    assert counts(np.array([0, 1, 2, np.nan]), edges).sum() == 3


def test_the_estimated_loss_has_the_sign_and_size_of_the_true_one(rng: np.random.Generator):
    harm = estimated_harm(rng.beta(8, 2, 500), rng.beta(5, 5, 200), trusted=False)
    assert harm is not None
    assert harm.loss == pytest.approx(0.3, abs=0.05)
    assert harm.low < harm.loss < harm.high
    assert harm.trust == "low"
    assert estimated_harm(np.array([np.nan]), rng.random(5), trusted=True) is None


def test_without_change_the_band_of_the_loss_holds_zero(rng: np.random.Generator):
    held = 0
    for _ in range(200):
        harm = estimated_harm(rng.beta(8, 2, 500), rng.beta(8, 2, 100), trusted=True)
        assert harm is not None
        held += harm.low <= 0 <= harm.high
    assert held >= 184  # 95 % of 200, less two standard errors


def test_where_the_estimates_part_the_band_holds_both(rng: np.random.Generator):
    before, now = rng.uniform(0.5, 1.0, 2000), np.full(500, 0.76)
    harm = estimated_harm(before, now, trusted=True)
    assert harm is not None
    assert abs(harm.loss) < 0.02
    assert harm.low <= float(before.mean()) - atc_accuracy(now, atc_threshold(before, float(before.mean()))) < -0.2


def test_atc_is_exact_without_change_and_finds_a_loss(rng: np.random.Generator):
    def batch(n: int, ease: float) -> tuple[np.ndarray, np.ndarray]:
        chance = rng.beta(4 * ease, 1.5, n)
        return chance, rng.random(n) < chance

    confidence, correct = batch(4000, 1.0)
    threshold = atc_threshold(confidence, float(correct.mean()))
    same, truth = batch(4000, 1.0)
    assert atc_accuracy(same, threshold) == pytest.approx(truth.mean(), abs=0.04)
    harder, truth = batch(4000, 0.5)
    assert atc_accuracy(harder, threshold) < correct.mean() - 0.5 * (correct.mean() - truth.mean())
