"""The parts of the demo that need no platform: stories, endings, the time line, the chart, the broken model."""

from dataclasses import replace

import pytest

from cvops_common.projects import parse
from cvops_local.cli import SCENARIOS
from cvops_local.demo.accuracy_chart import Sample, chart
from cvops_local.demo.champion import shipped
from cvops_local.demo.examination import Examination
from cvops_local.demo.outcome import Ending, Mark, complaints
from cvops_local.demo.preparation import fair_weather, project_file
from cvops_local.demo.story import CHANGED, CLASSES, STORIES, TURNED
from cvops_local.demo.telling import Telling
from cvops_protos.v1.alerting_pb2 import Episode, Incident

GOOD = Ending(
    recovered=True, episodes=1, trained_on=CHANGED, told_faulty=[TURNED], rolled_back=False, champion_kept=True
)
LEARNED = Mark(fair=0.7, changed=0.65)
QUIET = replace(GOOD, recovered=False, episodes=0, trained_on=[])


class TestStories:
    def test_the_command_offers_all_of_them(self):
        assert set(SCENARIOS) == set(STORIES)

    @pytest.mark.parametrize("name", SCENARIOS)
    def test_nothing_happens_before_its_moment(self, name):
        story = STORIES[name]
        scenario = story.scenario(45.0, seed=3)
        assert {each.camera_id for each in scenario.cameras} >= {*CHANGED, TURNED}
        starts = [each.start_s for many in scenario.occurrences.values() for each in many]
        assert len(starts) >= len(story.effects)
        assert all(start >= 45.0 for start in starts)

    def test_the_seed_changes_the_traffic_and_not_the_fleet(self):
        one, two = (STORIES["snow"].scenario(45.0, seed) for seed in (1, 2))
        assert [each.camera.seed for each in one.cameras] == [each.camera.seed for each in two.cameras]
        assert one.hour != two.hour


class TestComplaints:
    def test_a_closed_loop_has_none(self):
        assert complaints(STORIES["snow"], GOOD, 0.7, 0.1, Mark(0.7, 0.65)) == []

    @pytest.mark.parametrize(
        ("ending", "accuracy", "word"),
        [
            (replace(GOOD, recovered=False), (0.7, 0.1, LEARNED), "did not close"),
            (replace(GOOD, episodes=2), (0.7, 0.1, LEARNED), "2 episodes"),
            (GOOD, (0.7, 0.65, LEARNED), "no harm"),
            (GOOD, (0.7, 0.1, Mark(0.7, 0.3)), "not back"),
            (GOOD, (0.7, 0.1, None), "nothing was learned"),
            (replace(GOOD, told_faulty=[]), (0.7, 0.1, LEARNED), "nobody was told"),
            (replace(GOOD, trained_on=[*CHANGED, TURNED]), (0.7, 0.1, LEARNED), "trained on"),
        ],
    )
    def test_what_a_cure_must_not_miss(self, ending, accuracy, word):
        assert word in " ".join(complaints(STORIES["snow"], ending, *accuracy))

    def test_where_nothing_is_to_be_learned_an_episode_is_one_too_many(self):
        assert complaints(STORIES["camera-turned"], QUIET, 0.7, 0.7, None) == []
        assert "nothing is to be learned" in " ".join(complaints(STORIES["camera-turned"], GOOD, 0.7, 0.7, None))

    def test_a_broken_candidate_must_go(self):
        assert "rolled back" in " ".join(complaints(STORIES["bad-model"], QUIET, 0.7, 0.7, None))
        story, gone = STORIES["bad-model"], replace(QUIET, rolled_back=True)
        assert complaints(story, gone, 0.7, 0.7, None) == []
        assert "champion" in " ".join(complaints(story, replace(gone, champion_kept=False), 0.7, 0.7, None))


def test_the_champion_knows_fair_weather_and_no_snow():
    mark = Examination(STORIES["snow"].scenario(45.0, seed=1), CHANGED[:1]).of(shipped())
    assert mark.fair > 0.6
    assert mark.changed < 0.3


class _Platform:
    """What the time line asks: the answers of a client, given by the test."""

    def __init__(self, episodes, incidents):
        self.loop = self.alerting = self
        self._episodes, self._incidents = episodes, incidents

    def episodes(self):
        return self._episodes

    def incidents(self):
        return self._incidents


def test_the_time_line_tells_each_thing_once():
    episode = Episode(episode_id="e", steps=[Episode.Step(what="alarm", text="a"), Episode.Step(what="run", text="b")])
    incident = Incident(incident_id="i", kind="camera", cameras=[TURNED], state=Incident.STATE_FIRING, title="turned")
    telling = Telling()
    for _ in range(2):
        telling.listen(_Platform([episode], [incident]))
    assert [(line.who, line.text) for line in telling.lines] == [("incident", "turned"), ("training", "b")]
    assert telling.camera_incidents(TURNED) == [incident]
    incident.state = Incident.STATE_RESOLVED
    telling.listen(_Platform([episode], [incident]))
    assert telling.lines[-1].text == "resolved: turned"


def test_the_chart_holds_both_lines_and_what_happened():
    samples = [Sample(100.0 + i, 0.7 - 0.01 * i, 0.7, 8.0) for i in range(20)]
    page = chart(samples, [(105.0, "the <change>"), (10.0, "long ago")])
    assert page.count("<polyline") == 3
    assert "the &lt;change&gt;" in page
    assert "long ago" not in page
    assert chart(samples[:1], []) == ""


def test_the_project_of_the_demo_is_a_good_one(tmp_path):
    path = project_file(tmp_path)
    project = parse(path.read_text(), path.name)
    assert tuple(project.classes) == CLASSES


def test_fair_weather_is_labelled_and_split_by_moment():
    scenario = STORIES["snow"].scenario(45.0, 1)
    stills = fair_weather(scenario.cameras[:1], 10.0)
    first = next(stills)
    assert first.split == "train"
    assert first.image[:2] == b"\xff\xd8"
    assert {each.class_name for each in first.annotations} <= set(CLASSES)
