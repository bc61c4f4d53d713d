"""Scenarios: what a file says is what happens, and what makes no sense is told with its line."""

from pathlib import Path

import pytest

from cvops_sim.errors import ScenarioError
from cvops_sim.scenario import load, parse, shipped

FILE = """\
duration: 2m
fps: 4
hour: 8.5
fleet:
  - {site: north, kind: suburb, cameras: 2, firmware: 2.1}
  - {site: south, kind: rural, firmware: "1.9", resolution: 320x180}
effects:
  - {effect: snow, where: {site: north}, start: 40s, ramp: 10s, magnitude: 0.5, end: 1.5m}
  - {effect: yaw, where: {firmware: 1.*}, start: 60, magnitude: -3}
"""


def test_a_file_becomes_cameras_and_what_happens_to_them() -> None:
    scenario = parse(FILE, "winter.yaml")
    assert (scenario.name, scenario.duration_s, scenario.fps, scenario.frames) == ("winter", 120, 4, 480)
    cameras = {mounted.camera_id: mounted for mounted in scenario.cameras}
    assert list(cameras) == ["north-1", "north-2", "south-1"]
    assert (cameras["north-2"].site, cameras["north-2"].firmware) == ("north", "2.1")
    assert (cameras["south-1"].camera.width, cameras["south-1"].camera.height) == (320, 180)
    (snow,) = scenario.occurrences["north-1"]
    assert (snow.kind.name, snow.start_s, snow.ramp_s, snow.magnitude, snow.end_s) == ("snow", 40, 10, 0.5, 90)
    (yaw,) = scenario.occurrences["south-1"]
    assert (yaw.kind.name, yaw.start_s, yaw.magnitude) == ("yaw", 60, -3)


def test_the_seed_alone_decides_how_cameras_hang() -> None:
    one, same, other = (parse(f"seed: {seed}\n{FILE}", "x").cameras for seed in (1, 1, 2))
    assert [mounted.camera for mounted in one] == [mounted.camera for mounted in same]
    assert all(a.camera != b.camera for a, b in zip(one, other, strict=True))
    assert len({mounted.camera for mounted in one}) == 3


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ("effect: snow", "effect: snaw", ["line 8", "'snaw'", "snow", "fog"]),
        ("magnitude: 0.5", "magnitude: 5", ["line 8", "magnitude 5 of snow", "0 to 1"]),
        ("start: 40s", "start: soon", ["line 8", "'soon'", "90s"]),
        ("end: 1.5m", "end: 30s", ["line 8", "end 30 s is not after start 40 s"]),
        ("where: {site: north}", "where: {town: north}", ["line 8", "town", "site"]),
        ("kind: rural", "kind: lunar", ["line 6", "suburb", "urban", "rural"]),
        ("resolution: 320x180", "resolution: big", ["line 6", "'big'", "640x360"]),
        ("fps: 4", "fps: 0", ["line 2", "fps"]),
        ("hour: 8.5", "hours: 8.5", ["line 3", "hours"]),
        ("firmware: 1.*", "firmware: 9.*", ["yaw", "selects no camera"]),
        ("site: south", "site: north", ["stands twice"]),
        ("fleet:", "fleet: [", ["no YAML", "line"]),
    ],
)
def test_what_makes_no_sense_is_told_with_line_and_cure(wrong: str, right: str, words: list[str]) -> None:
    assert wrong in FILE
    with pytest.raises(ScenarioError) as caught:
        parse(FILE.replace(wrong, right), "winter.yaml")
    assert str(caught.value).startswith("winter.yaml")
    for word in words:
        assert word in str(caught.value)


def test_an_empty_fleet_and_an_empty_file_are_refused() -> None:
    for text in ("", "fleet: []", "- a"):
        with pytest.raises(ScenarioError, match=r"x\.yaml"):
            parse(text, "x.yaml")


@pytest.mark.parametrize("name", shipped())
def test_what_is_shipped_can_be_played(name: str) -> None:
    assert load(name).cameras


def test_a_file_is_found_by_its_path_and_what_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FILE)
    assert load(str(path)).name == "mine"
    with pytest.raises(ScenarioError, match=r"'gone\.yaml'.*everything, quiet, snow"):
        load("gone.yaml")
