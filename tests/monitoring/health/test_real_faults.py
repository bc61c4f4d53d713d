"""Real pictures: faults found, named right and timed; clean clips raise nothing."""

from pathlib import Path

import pytest

from cvops_monitoring.health import CameraHealth, ChangeState, FaultKind, HealthSettings
from tests.monitoring.health.filming import T0, Clip, at, clip, opened, run


@pytest.fixture(scope="module")
def traffic(shared_data: Path) -> Clip:
    return clip(shared_data / "videos" / "traffic_road_a.mp4", every=3)


@pytest.fixture(scope="module")
def room(shared_data: Path) -> Clip:
    return clip(shared_data / "videos" / "person_room_a.mp4", every=2)


def after_learning(clean: Clip, faulty: Clip) -> list:
    """Changes of a camera that saw the clean clip for 100 s and then the faulty one, with times of the latter."""
    camera = CameraHealth(HealthSettings())
    learned = list(clean.looped(100))
    assert run(camera, learned) == []
    step_s = learned[-1].captured_s - learned[-2].captured_s
    begin_s = learned[-1].captured_s + step_s
    frames = [at(each, begin_s + each.captured_s, len(learned) + i) for i, each in enumerate(faulty.frames)]
    return [(seen_s - begin_s, change, change.fault.since_s - begin_s) for seen_s, change in run(camera, frames)]


def test_frozen_and_black_are_found_with_their_begin(shared_data: Path):
    clean = clip(shared_data / "videos" / "traffic_road_a.mp4")
    changes = after_learning(clean, clip(shared_data / "drift/faults/traffic_a_frozen_black.mp4"))
    begun = {change.fault.kind: (seen, since) for seen, change, since in changes if change.state is ChangeState.OPENED}
    assert begun.keys() == {FaultKind.FROZEN, FaultKind.DARK}
    seen, since = begun[FaultKind.FROZEN]
    assert since == pytest.approx(8.0, abs=1)
    assert seen < 8.0 + 4
    seen, since = begun[FaultKind.DARK]
    assert since == pytest.approx(18.0, abs=1)
    assert seen < 18.0 + 4


def test_a_turned_camera_is_measured(shared_data: Path, room: Clip):
    changes = after_learning(room, clip(shared_data / "drift/faults/room_a_camera_moved.mp4", every=2))
    ((seen, change, since),) = changes
    assert change.fault.kind is FaultKind.MOVED
    assert since == pytest.approx(20.0, abs=1.5)
    assert seen <= 20.0 + 12
    assert "4.0 degrees to the left" in change.fault.text
    assert "70 px right" in change.fault.text


@pytest.mark.parametrize("name", ["traffic", "room"])
def test_half_an_hour_of_a_looped_clean_clip_raises_nothing(name: str, request: pytest.FixtureRequest):
    clean: Clip = request.getfixturevalue(name)
    camera = CameraHealth(HealthSettings())
    assert opened(change for _, change in run(camera, clean.looped(1800))) == []
    assert camera.status == "well"


def test_a_restored_camera_goes_on_exactly(room: Clip):
    frames = list(room.looped(150, start_s=T0))
    whole, first = CameraHealth(HealthSettings()), CameraHealth(HealthSettings())
    run(whole, frames)
    run(first, frames[:400])
    second = CameraHealth.from_state(HealthSettings(), first.to_state())
    run(second, frames[400:])
    assert second.to_state() == whole.to_state()
