"""A camera that is one of its kind is seldom called unlike, by a rate that is known; an unlike one is, by name."""

import numpy as np
import pytest
from scipy.stats import norm

from cvops_monitoring.domain.e_values import e_bh, e_bh_threshold, e_value
from cvops_monitoring.domain.fleet import against_fleet
from cvops_monitoring.domain.hotelling import Moments, moments_of, one_more, two_means
from cvops_monitoring.domain.mmd import each_against_rest, mmd_test
from cvops_monitoring.domain.training import against_training, training_moments
from cvops_monitoring.domain.unlike import unlike_features
from cvops_monitoring.errors import TooFewFrames
from tests.monitoring.domain.cameras import camera, correlated

LEVEL = 0.05


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_two_samples_of_one_law_differ_in_their_means_as_often_as_promised(rng, rho):
    found = [two_means(correlated(rng, 400, 6, rho), correlated(rng, 300, 6, rho)).p_value < LEVEL for _ in range(300)]
    assert 0.005 <= np.mean(found) <= 0.09


def test_a_shifted_mean_is_found_in_correlated_frames(rng):
    found = [
        two_means(correlated(rng, 400, 6, 0.8), correlated(rng, 300, 6, 0.8) + 0.8).p_value < 0.001 for _ in range(20)
    ]
    assert np.mean(found) >= 0.9


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_exchanging_blocks_keeps_the_level_in_correlated_frames(rng, rho):
    results = [mmd_test(correlated(rng, 400, 4, rho), correlated(rng, 300, 4, rho), rng, draws=99) for _ in range(150)]
    assert np.mean([each.p_value <= LEVEL for each in results]) <= 0.12
    # The same frames, exchanged one by one, say that everything has changed.
    naive = [
        mmd_test(correlated(rng, 400, 4, rho), correlated(rng, 300, 4, rho), rng, draws=99, block=1) for _ in range(30)
    ]
    assert bool(np.mean([each.p_value <= LEVEL for each in naive]) > 0.4) is (rho > 0)


def test_a_spread_that_changed_is_found_where_the_means_agree(rng):
    before, now = rng.standard_normal((160, 4)), 2.0 * rng.standard_normal((160, 4))
    assert mmd_test(before, now, rng).p_value < 0.01
    assert two_means(before, now).p_value > 0.01


def test_the_discrepancy_of_each_group_is_that_of_two_samples(rng):
    groups = [rng.standard_normal((12, 3)) + shift for shift in (0, 0, 2)]
    together = each_against_rest(groups)
    alone = mmd_test(np.concatenate(groups[:2]), groups[2], rng, block=1, draws=9).statistic
    assert together[2] == pytest.approx(alone)
    assert together.argmax() == 2


@pytest.mark.parametrize("cameras", [5, 12, 40])
def test_one_more_camera_of_the_fleet_is_called_unlike_as_seldom_as_promised(rng, cameras):
    verdicts = []
    for _ in range(200 if cameras < 40 else 60):
        others = {f"camera-{i}": camera(rng) for i in range(cameras)}
        verdicts.append(against_fleet(others, camera(rng)))
    assert np.mean([each.mean_p < LEVEL for each in verdicts]) <= 0.09
    assert np.mean([each.discrepancy_p < LEVEL for each in verdicts]) <= 0.09
    assert np.mean([each.evidence for each in verdicts]) <= 1.3
    assert np.mean([each.evidence >= 1 / LEVEL for each in verdicts]) <= LEVEL


def test_a_camera_that_is_far_from_all_others_is_named_with_its_nearest_and_what_is_unlike(rng):
    others = {f"camera-{i}": camera(rng) for i in range(20)}
    strange = camera(rng, shift=20.0)
    verdict = against_fleet(others, strange)
    assert verdict.evidence > 200
    assert verdict.auc > 0.9
    centres = {name: np.square(other.mean - strange.mean).sum() for name, other in others.items()}
    assert verdict.nearest in sorted(centres, key=centres.__getitem__)[:3]
    (unlike,) = unlike_features(list(others.values()), strange)
    assert unlike.name == "brightness"
    assert unlike.spreads > 2.5


def test_a_fleet_of_three_cannot_tell(rng):
    assert against_fleet({f"camera-{i}": camera(rng) for i in range(3)}, camera(rng, shift=50)) is None


def _trained_on(rng: np.random.Generator, cameras: int) -> Moments:
    pictures = np.concatenate([camera(rng, n=400 // cameras, rho=0.0).frames for _ in range(cameras)])
    known = training_moments({
        "embedding_mean": pictures.mean(0), "embedding_covariance": np.cov(pictures.T),
        "embedding_count": np.array(len(pictures)),
    })  # fmt: skip
    assert known is not None
    return known


@pytest.mark.parametrize("cameras", [6, 20])
def test_a_camera_like_those_of_the_training_data_is_seldom_called_unlike(rng, cameras):
    verdicts = []
    for _ in range(150):
        new = camera(rng)
        verdicts.append(against_training(_trained_on(rng, cameras), new.frames, new.mean))
    assert np.mean([each.p_value < LEVEL for each in verdicts]) <= 0.08
    assert np.mean([each.evidence >= 1 / LEVEL for each in verdicts]) <= LEVEL


def test_a_camera_far_outside_the_training_data_is_called_unlike(rng):
    strange = camera(rng, shift=40.0)
    verdict = against_training(_trained_on(rng, 12), strange.frames, strange.mean)
    assert verdict.evidence > 1000
    assert verdict.outside > 0.9


def test_a_bundle_without_statistics_or_of_another_width_says_nothing(rng):
    assert training_moments(None) is None
    assert training_moments({"embedding_mean": np.zeros(3)}) is None
    assert against_training(_trained_on(rng, 6), rng.standard_normal((64, 7)), np.zeros(7)) is None
    with pytest.raises(TooFewFrames):
        one_more(moments_of(rng.standard_normal((3, 2))), np.zeros(2))


def test_evidence_is_worth_one_on_average_and_e_bh_holds_its_rate_when_all_depend_on_one_thing(rng):
    assert np.mean([e_value(each) for each in rng.uniform(size=20_000)]) <= 1.3
    wrong = []
    for _ in range(400):
        shared = rng.standard_normal()
        nulls = norm.sf(0.9 * shared + np.sqrt(1 - 0.81) * rng.standard_normal(40))
        evidence = [*(e_value(each) for each in nulls), *[1e6] * 5]
        named = e_bh(evidence, 0.1)
        assert named[-5:].all()
        wrong.append(named[:40].sum() / max(named.sum(), 1))
    assert np.mean(wrong) <= 0.1


def test_cameras_that_have_no_evidence_yet_count(rng):
    assert e_bh([100.0], 0.1).all()
    assert not e_bh([100.0], 0.1, hypotheses=20).any()
    assert e_bh_threshold([1e5, 1e5, 1.0], 0.1) == pytest.approx(15.0)
