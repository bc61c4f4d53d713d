"""What the platform says while the demo runs, as one time line."""

from dataclasses import dataclass, field

from cvops import Client
from cvops.errors import CvopsError
from cvops_protos.v1.alerting_pb2 import Episode, Incident
from cvops_protos.v1.training_pb2 import TrainingRun

_EPISODE = {
    "alarm": "drift",
    "opened": "episode",
    "selection": "labels",
    "label": "labels",
    "dataset": "labels",
    "run": "training",
    "gates": "training",
    "shadow": "release",
    "canary": "release",
    "champion": "release",
    "rolled_back": "release",
    "confirmed": "release",
}


_STAGES = {"shadow": "shadow: ", "canary": "canary: ", "champion": "promoted: ", "confirmed": "confirmed: "}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the time line: when (ns since the epoch), who speaks, what."""

    at_ns: int
    who: str
    text: str


@dataclass(slots=True)
class Telling:
    """Collects what incidents and episodes say.

    Attributes:
        lines: in the order in which they were heard.
        episodes: newest first, as they stand.
        incidents: as they stand, by id.
        now: what goes on at this moment.
    """

    lines: list[Line] = field(default_factory=list)
    episodes: list[Episode] = field(default_factory=list)
    incidents: dict[str, Incident] = field(default_factory=dict)
    now: str = ""
    _heard: set[tuple[str, str]] = field(default_factory=set)

    def say(self, at_ns: int, who: str, text: str) -> None:
        """Adds a line of the demo itself."""
        self.lines.append(Line(at_ns, who, text))

    def listen(self, client: Client) -> None:
        """Asks the platform; a service that is away is asked again the next time."""
        try:
            self.episodes = client.loop.episodes()
            incidents = client.alerting.incidents()
            self.now = _at_work(client, self.episodes[0]) if self.episodes else ""
        except CvopsError:
            return
        fresh = []
        for incident in incidents:
            self.incidents[incident.incident_id] = incident
            fresh += self._of_incident(incident)
        for episode in self.episodes:
            fresh += self._of_episode(episode)
        self.lines += sorted(fresh, key=lambda line: line.at_ns)

    def camera_incidents(self, camera: str) -> list[Incident]:
        """Incidents that call a camera faulty."""
        return [each for each in self.incidents.values() if each.kind == "camera" and camera in each.cameras]

    def _of_incident(self, incident: Incident) -> list[Line]:
        state = Incident.State.Name(incident.state).removeprefix("STATE_").lower()
        if state == "pending" or not self._is_new(incident.incident_id, state):
            return []
        word = {"firing": "", "acknowledged": "acknowledged: ", "resolved": "resolved: "}[state]
        note = f" ({incident.note})" if incident.note and state == "resolved" else ""
        return [Line(incident.updated_at.ToNanoseconds(), "incident", f"{word}{incident.title}{note}")]

    def _of_episode(self, episode: Episode) -> list[Line]:
        # Alarms are told by their incident; one line for each would hide the rest.
        lines = [
            Line(step.at.ToNanoseconds(), _EPISODE.get(step.what, step.what), _STAGES.get(step.what, "") + step.text)
            for step in episode.steps
            if step.what != "alarm" and self._is_new(episode.episode_id, f"{step.what} {step.source_id}")
        ]
        lines += [
            Line(episode.updated_at.ToNanoseconds(), "episode", f"left out {left_out}")
            for left_out in episode.left_out
            if self._is_new(episode.episode_id, left_out)
        ]
        if episode.ended_at.seconds and self._is_new(episode.episode_id, "ended"):
            state = Episode.State.Name(episode.state).removeprefix("STATE_").lower().replace("_", " ")
            lines.append(Line(episode.ended_at.ToNanoseconds(), "episode", f"{state}: {episode.text}"))
        return lines

    def _is_new(self, thing: str, what: str) -> bool:
        if (thing, what) in self._heard:
            return False
        self._heard.add((thing, what))
        return True


def _at_work(client: Client, episode: Episode) -> str:
    """What takes its time in an episode."""
    if episode.state == Episode.STATE_LABELING:
        return f"{episode.labels} frames labelled"
    if episode.state != Episode.STATE_TRAINING or not episode.run_id:
        return ""
    run = client.training.run(episode.run_id)
    if run.state == TrainingRun.STATE_JUDGING:
        return "the candidate is exported and judged"
    return f"training: step {run.step} of {run.steps}, loss {run.loss:.2f}" if run.steps else "training begins"
