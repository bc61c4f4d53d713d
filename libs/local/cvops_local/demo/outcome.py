"""How the demo ended, and whether it ended as it must. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from cvops_local.demo.story import Story

_LOST = 0.85


@dataclass(frozen=True, slots=True)
class Mark:
    """True mAP50 of a model on moments that nobody has seen: in fair weather, and in the changed world."""

    fair: float
    changed: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo saw.

    Attributes:
        story: name of the scenario.
        seed: of the traffic.
        before, during, after: true mAP50 of the changed cameras, live: in fair weather, at its worst, at the end.
        others_before, others_after: of the cameras to which nothing happened.
        seconds: from the change to each milestone, by name.
        labels: frames that were labelled for the episode.
        train_cpu_s: CPU time of the training.
        model: that serves the changed cameras at the end.
        old: mark of the champion on moments that nobody has seen; None: nothing was to be learned.
        new: mark of the model that was learned; None: there is none.
        complaints: what did not end as it must; empty: all did.
    """

    story: str
    seed: int
    before: float
    during: float
    after: float
    others_before: float
    others_after: float
    seconds: dict[str, float]
    labels: int
    train_cpu_s: float
    model: str
    old: Mark | None
    new: Mark | None
    complaints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """The facts that decide whether a run ended as it must.

    Attributes:
        recovered: an episode ended with its recovery confirmed.
        episodes: that were opened.
        trained_on: cameras of any episode.
        told_faulty: cameras with a camera incident.
        rolled_back: the broken candidate was taken back.
        champion_kept: the champion serves as at the begin.
    """

    recovered: bool
    episodes: int
    trained_on: Sequence[str]
    told_faulty: Sequence[str]
    rolled_back: bool
    champion_kept: bool


def complaints(story: Story, ending: Ending, before: float, during: float, new: Mark | None) -> list[str]:
    """What did not end as it must: `before` and `during` as in `Outcome`, `new` of the model that was learned."""
    found = []
    if story.cured:
        if not ending.recovered:
            found.append("the loop did not close: no episode recovered")
        if ending.episodes > 1:
            found.append(f"{ending.episodes} episodes were opened for one cause")
        if not during < _LOST * before:
            found.append(f"the change did no harm: mAP50 {before:.2f} -> {during:.2f}")
        if new is None or not new.changed >= story.regained:
            has = "nothing was learned" if new is None else f"mAP50 of the new model is {new.changed:.3f}"
            found.append(f"the accuracy is not back: {has}, expected {story.regained:.2f}")
    elif ending.episodes:
        found.append(f"{ending.episodes} episodes were opened where nothing is to be learned")
    for camera in story.faulty:
        if camera not in ending.told_faulty:
            found.append(f"{camera} is at fault and nobody was told")
        if camera in ending.trained_on:
            found.append(f"{camera} is at fault and was trained on")
    if story.bad_candidate and not ending.rolled_back:
        found.append("the broken candidate was not rolled back")
    if (story.bad_candidate or not story.cured) and not ending.champion_kept:
        found.append("the champion does not serve any more")
    return found
