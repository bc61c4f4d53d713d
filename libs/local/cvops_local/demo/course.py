"""The course of a demo: looks once a second, decides when it is over and how it ended."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from cvops import Client
from cvops.episode_report import timings
from cvops.errors import CvopsError
from cvops_local.demo.accuracy_chart import Sample
from cvops_local.demo.broken_model import broken
from cvops_local.demo.outcome import Ending, Mark, Outcome, complaints
from cvops_local.demo.preparation import PROJECT
from cvops_local.demo.scoreboard import Scoreboard, Standing
from cvops_local.demo.story import CHANGED, TURNED, Story
from cvops_local.demo.telling import Telling
from cvops_protos.v1.alerting_pb2 import Episode
from cvops_protos.v1.training_pb2 import Rollout

CHANGE_S = 20.0
_LONGEST_S = 420.0
_SCORE_EVERY_S = 5.0
_WINDOW_S = 16.0
_QUIET_S = 45.0
_FAIR_S = 3.0
_ENDED = (Episode.STATE_RECOVERED, Episode.STATE_GAVE_UP)
_ROLLOUT_ENDED = (Rollout.STATE_CONFIRMED, Rollout.STATE_ROLLED_BACK)

CHANGED_GROUP = f"{' '.join(CHANGED)} (changing)"
OTHERS_GROUP = "the others"


@dataclass(slots=True)
class Course:
    """How a run has gone so far; times are seconds since the epoch.

    Attributes:
        client: of the platform.
        board: who knows the truth.
        story: what happens.
        champion: "name:version" that serves at the begin.
        began_s: when the first frame was captured.
        scratch: a folder for a bundle.
        bundle: of the champion.
        others: cameras to which nothing happens.
    """

    client: Client
    board: Scoreboard
    story: Story
    champion: str
    began_s: float
    scratch: Path
    bundle: Path
    others: tuple[str, ...]
    telling: Telling = field(default_factory=Telling)
    samples: list[Sample] = field(default_factory=list)
    standings: dict[str, Standing] = field(default_factory=dict)
    rollout: Rollout | None = None
    _said: set[str] = field(default_factory=set)
    _scored_s: float = 0.0
    _done_s: float = 0.0

    @property
    def changed_s(self) -> float:
        """When the world changes."""
        return self.began_s + CHANGE_S

    def look(self, now_s: float) -> bool:
        """Takes in what happened; True when the demo is over."""
        self._announce(now_s)
        self.telling.listen(self.client)
        if now_s - self._scored_s >= _SCORE_EVERY_S:
            self._score(now_s)
        if self.story.bad_candidate and now_s >= self.changed_s:
            self._try_the_broken_one()
        if self._settled() and not self._done_s:
            self._done_s = now_s
        # After the end the windows of the scoreboard must fill with what the new model says.
        waits_s = _WINDOW_S if self.story.cured or self.story.bad_candidate else _QUIET_S
        return (bool(self._done_s) and now_s > self._done_s + waits_s) or now_s > self.changed_s + _LONGEST_S

    @property
    def learned(self) -> str:
        """The model that an episode brought, as "name:version"; empty: none did."""
        episode = self._episode
        return episode.model_after if episode is not None and episode.state == Episode.STATE_RECOVERED else ""

    def outcome(self, seed: int, old: Mark | None, new: Mark | None) -> Outcome:
        """How it ended; `old` and `new` as in `Outcome`."""
        before, others_before = self._sample_before()
        during = min((each.changed for each in self.samples if each.at_s > self.changed_s + _FAIR_S), default=before)
        last = self.samples[-1] if self.samples else None
        after, others_after = (last.changed, last.others) if last else (float("nan"), float("nan"))
        episode = self._episode
        model = (f"{self.standings[CHANGED_GROUP].models}" if CHANGED_GROUP in self.standings else "").strip("(),'")
        return Outcome(
            story=self.story.name,
            seed=seed,
            before=before,
            during=during,
            after=after,
            others_before=others_before,
            others_after=others_after,
            seconds=self._seconds(episode),
            labels=episode.labels if episode else 0,
            train_cpu_s=episode.train_cpu_s if episode else 0.0,
            model=model,
            old=old,
            new=new,
            complaints=tuple(complaints(self.story, self._ending(), before, during, new)),
        )

    # -- inside ------------------------------------------------------------------------------------------------

    @property
    def _episode(self) -> Episode | None:
        return self.telling.episodes[-1] if self.telling.episodes else None

    def _announce(self, now_s: float) -> None:
        for at_s, text in ((self.began_s, "six cameras stream"), (self.changed_s, self.story.doc)):
            if now_s >= at_s and text not in self._said:
                self._said.add(text)
                self.telling.say(int(at_s * 1e9), "world", text)

    def _score(self, now_s: float) -> None:
        self._scored_s = now_s
        self.standings = {
            CHANGED_GROUP: self.board.standing(CHANGED),
            TURNED: self.board.standing([TURNED]),
            OTHERS_GROUP: self.board.standing(self.others),
        }
        changed, others = self.standings[CHANGED_GROUP], self.standings[OTHERS_GROUP]
        if changed.frames and others.frames:
            self.samples.append(Sample(now_s, changed.map50, others.map50, changed.expected))

    def _sample_before(self) -> tuple[float, float]:
        earlier = [each for each in self.samples if each.at_s <= self.changed_s]
        return (earlier[-1].changed, earlier[-1].others) if earlier else (float("nan"), float("nan"))

    def _settled(self) -> bool:
        if self.story.bad_candidate:
            return self.rollout is not None and self.rollout.state in _ROLLOUT_ENDED
        told = all(self.telling.camera_incidents(camera) for camera in self.story.faulty)
        if self.story.cured:
            return told and any(episode.state in _ENDED for episode in self.telling.episodes)
        return told

    def _try_the_broken_one(self) -> None:
        if self.rollout is None:
            version = self.client.upload_bundle(broken(self.bundle, self.scratch))
            reference = f"{version.name}:{version.version}"
            self.rollout = self.client.training.start_rollout(
                PROJECT, reference, list(CHANGED), reason="a candidate with broken preprocessing"
            )
            self.telling.say(time.time_ns(), "demo", f"{reference}, broken on purpose, is tried beside {self.champion}")
        try:
            found = [
                each for each in self.client.training.rollouts(PROJECT) if each.rollout_id == self.rollout.rollout_id
            ]
        except CvopsError:
            return
        for each in found:
            if each.state != self.rollout.state:
                state = Rollout.State.Name(each.state).removeprefix("STATE_").lower().replace("_", " ")
                self.telling.say(time.time_ns(), "release", f"{state}: {each.text}")
            self.rollout = each

    def _ending(self) -> Ending:
        episodes = self.telling.episodes
        _, releases = self.client.models.list()
        champions = {f"{each.model}:{each.version}" for each in releases if each.slot == "champion"}
        return Ending(
            recovered=any(episode.state == Episode.STATE_RECOVERED for episode in episodes),
            episodes=len(episodes),
            trained_on=[camera for episode in episodes for camera in episode.cameras],
            told_faulty=[camera for camera in (*CHANGED, TURNED) if self.telling.camera_incidents(camera)],
            rolled_back=self.rollout is not None and self.rollout.state == Rollout.STATE_ROLLED_BACK,
            champion_kept=champions == {self.champion},
        )

    def _seconds(self, episode: Episode | None) -> dict[str, float]:
        """From the true change to each milestone, in s."""
        if episode is None:
            return {}
        shift_s = episode.since.ToNanoseconds() / 1e9 - self.changed_s
        return {name: value + shift_s for name, value in timings(episode).items()}
