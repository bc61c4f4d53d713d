import pytest

from cvops_common.projects import with_defaults
from cvops_protos.v1.project_pb2 import Project
from cvops_protos.v1.training_pb2 import Rollout
from cvops_trainer.rollouts.decision import COLLAPSE_MARGIN, WORSE_MARGIN, StageEvidence, Step, decide
from cvops_trainer.rollouts.evidence import Comparison, balance

POLICY = with_defaults(Project()).release
SHADOW, CANARY, PROMOTED = Rollout.STATE_SHADOW, Rollout.STATE_CANARY, Rollout.STATE_PROMOTED


def compared(pairs, margin):
    comparison = Comparison(margin)
    for pair in pairs:
        comparison.take(*pair)
    return comparison


def evidence(labelled=(), finds=(5.0, 4.0), frames=100, unanswered=0, latency=1.0):
    return StageEvidence(
        compared(labelled, WORSE_MARGIN),
        compared([balance(*finds)] * frames, COLLAPSE_MARGIN),
        frames,
        unanswered,
        latency,
    )


GOOD = [(0.7, 0.2)] * 20
BAD = [(0.2, 0.7)] * 20


@pytest.mark.parametrize("state", [SHADOW, CANARY, PROMOTED])
class TestEveryStage:
    def test_a_better_one_steps_forward(self, state):
        found = decide(state, evidence(GOOD), POLICY, 10)
        assert found.step is Step.FORWARD
        assert "0.20 -> 0.70" in found.text

    def test_a_worse_one_goes_back(self, state):
        assert decide(state, evidence(BAD), POLICY, 10).step is Step.BACK

    def test_one_that_sees_hardly_anything_goes_back_without_a_label(self, state):
        assert decide(state, evidence(finds=(0.5, 5.0)), POLICY, 10).step is Step.WAIT  # labels may still come
        found = decide(state, evidence(finds=(0.5, 5.0), frames=400), POLICY, 10)
        assert found.step is Step.BACK
        assert "hardly sees" in found.text

    def test_one_that_finds_less_than_a_champion_that_invents_is_judged_by_labels(self, state):
        assert decide(state, evidence(GOOD, finds=(0.5, 5.0), frames=400), POLICY, 10).step is Step.FORWARD
        alike = [(0.5, 0.5)] * 9
        assert decide(state, evidence(alike, finds=(0.5, 5.0)), POLICY, 10).step is Step.BACK

    def test_one_that_finds_three_quarters_as_much_is_not_collapsed(self, state):
        assert decide(state, evidence(finds=(3.0, 4.0)), POLICY, 10).step is Step.WAIT

    def test_one_that_does_not_answer_goes_back(self, state):
        assert decide(state, evidence(GOOD, unanswered=60), POLICY, 10).step is Step.BACK

    def test_one_that_answers_nothing_at_all_goes_back_too(self, state):
        assert decide(state, evidence(frames=0, unanswered=15), POLICY, 10).step is Step.WAIT
        found = decide(state, evidence(frames=0, unanswered=25), POLICY, 10)
        assert found.step is Step.BACK
        assert "25 of 25 frames" in found.text

    def test_a_slow_one_goes_back(self, state):
        found = decide(state, evidence(GOOD, latency=2.5), POLICY, 10)
        assert found.step is Step.BACK
        assert "2.5 times" in found.text

    def test_without_labels_it_waits_and_then_its_time_is_up(self, state):
        assert decide(state, evidence(), POLICY, 10).step is Step.WAIT
        assert decide(state, evidence(), POLICY, POLICY.stage_timeout_s + 1).step is Step.BACK


def test_too_few_frames_make_a_good_one_wait():
    assert decide(SHADOW, evidence(GOOD, frames=20), POLICY, 10).step is Step.WAIT


def test_few_labels_with_a_gain_need_three_times_the_frames_and_end_the_shadow_only():
    few = [(0.5, 0.4)] * 9
    assert decide(SHADOW, evidence(few, frames=100), POLICY, 10).step is Step.WAIT
    assert decide(SHADOW, evidence(few, frames=180), POLICY, 10).step is Step.FORWARD
    assert decide(CANARY, evidence(few, frames=180), POLICY, 10).step is Step.WAIT


def test_a_promotion_is_confirmed_by_twelve_labels():
    assert decide(PROMOTED, evidence(GOOD[:11]), POLICY, 10).step is Step.WAIT
    assert decide(PROMOTED, evidence(GOOD[:12]), POLICY, 10).step is Step.FORWARD
