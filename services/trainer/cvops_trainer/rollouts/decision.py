"""What a rollout does next, from its evidence. Pure rules.

Each stage has evidence of its own. A candidate steps forward when it was compared on enough frames and the labelled
frames say that it is better, at the project's error rate. Out of the shadow, where it costs nobody anything, eight
labelled frames with a mean gain above 0 are enough after three times the frames. It is rolled back as soon as the
labelled frames say that it is worse, or its expected finds collapse and no labels say that this is right: a champion
that drift has harmed may expect to find what is not there.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from cvops_protos.v1.project_pb2 import Project
from cvops_protos.v1.training_pb2 import Rollout
from cvops_trainer.rollouts.evidence import Comparison

WORSE_MARGIN = 0.02
COLLAPSE_MARGIN = 1 / 3
"""With half of the champion's finds the shares are a third and two thirds: fewer is a collapse."""
_FEW_LABELS = 8
_FEW_FRAMES = 20
_MOST_UNANSWERED = 0.2
_TELLS_NOTHING = 1.0
_PATIENCE = 3.0
_CONFIRMING_LABELS = 12


class Step(StrEnum):
    """What to do."""

    WAIT = "wait"
    FORWARD = "forward"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and why in one sentence."""

    step: Step
    text: str = ""


@dataclass(frozen=True, slots=True)
class StageEvidence:
    """What the present stage has seen.

    Attributes:
        labelled: F1 of labelled frames.
        finds: expected finds, as shares of their sum.
        frames: compared without labels.
        unanswered: frames that the champion answered and the candidate did not; see `Pairs.unanswered`.
        latency_ratio: candidate's time for an image over the champion's, both undisturbed; 0: not known.
    """

    labelled: Comparison
    finds: Comparison
    frames: int
    unanswered: int
    latency_ratio: float


def decide(
    state: Rollout.State.ValueType, evidence: StageEvidence, policy: Project.ReleasePolicy, in_stage_s: float
) -> Decision:
    """The next step of a rollout that is not held.

    Args:
        state: shadow, canary or promoted.
        evidence: of this stage.
        policy: with defaults filled in.
        in_stage_s: seconds since the stage began.
    """
    bad = _bad(state, evidence, policy)
    if bad is not None:
        return Decision(Step.BACK, bad)
    good = _confirmed(evidence) if state == Rollout.STATE_PROMOTED else _better(state, evidence, policy)
    if good is not None:
        return Decision(Step.FORWARD, good)
    if in_stage_s > policy.stage_timeout_s:
        return Decision(Step.BACK, f"no decision after {policy.stage_timeout_s} s: {_seen(evidence)}")
    return Decision(Step.WAIT)


def log_threshold(policy: Project.ReleasePolicy) -> float:
    """A log e-value above it decides."""
    return -math.log(policy.error_rate)


def _bad(state: Rollout.State.ValueType, evidence: StageEvidence, policy: Project.ReleasePolicy) -> str | None:
    threshold = log_threshold(policy)
    if evidence.labelled.log_against > threshold:
        return f"worse on labelled frames: {_labels(evidence.labelled)}"
    if evidence.finds.log_against > threshold and not _may_be_right(state, evidence, policy):
        means = evidence.finds
        share = means.candidate / max(means.champion, 1e-9)
        return (
            f"its expected finds are {share:.0%} of the champion's over {means.frames} frames: it hardly sees anything"
        )
    asked = evidence.frames + evidence.unanswered
    if asked >= _FEW_FRAMES and evidence.unanswered > _MOST_UNANSWERED * asked:
        return f"it did not answer {evidence.unanswered} of {asked} frames"
    if evidence.frames >= _FEW_FRAMES and evidence.latency_ratio > policy.most_latency_ratio:
        most = policy.most_latency_ratio
        return f"it takes {evidence.latency_ratio:.1f} times as long as the champion, at most {most:g}"
    return None


def _may_be_right(state: Rollout.State.ValueType, evidence: StageEvidence, policy: Project.ReleasePolicy) -> bool:
    """Whether labels say that fewer finds are better, or may still come to say it."""
    if evidence.labelled.frames >= _FEW_LABELS:
        return evidence.labelled.mean > 0
    return evidence.frames < _PATIENCE * _wanted(state, policy)


def _wanted(state: Rollout.State.ValueType, policy: Project.ReleasePolicy) -> int:
    """Frames to compare in a stage."""
    return policy.shadow_frames if state == Rollout.STATE_SHADOW else policy.canary_frames


def _better(state: Rollout.State.ValueType, evidence: StageEvidence, policy: Project.ReleasePolicy) -> str | None:
    wanted = _wanted(state, policy)
    if evidence.frames < wanted:
        return None
    labelled = evidence.labelled
    if labelled.log_for > log_threshold(policy):
        return f"better on labelled frames: {_labels(labelled)}"
    shadow = state == Rollout.STATE_SHADOW  # it costs nobody anything, so a good sign is enough to go on
    if shadow and labelled.frames >= _FEW_LABELS and labelled.mean > 0 and evidence.frames >= _PATIENCE * wanted:
        return f"better as far as the labels tell: {_labels(labelled)}"
    return None


def _confirmed(evidence: StageEvidence) -> str | None:
    labelled = evidence.labelled
    if labelled.frames < _CONFIRMING_LABELS or labelled.mean <= 0:
        return None
    return f"the accuracy is back: {_labels(labelled)}"


def _labels(labelled: Comparison) -> str:
    n = max(labelled.frames, 1)
    low, high = labelled.interval()
    surely = f", surely {low:+.2f} to {high:+.2f}" if high - low < _TELLS_NOTHING else ""
    return (
        f"F1 of a frame {labelled.champion / n:.2f} -> {labelled.candidate / n:.2f} on {labelled.frames} labelled "
        f"frames (gain {labelled.mean:+.2f}{surely})"
    )


def _seen(evidence: StageEvidence) -> str:
    return f"{evidence.frames} frames compared, {evidence.labelled.frames} of them labelled"
