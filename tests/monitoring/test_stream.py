"""A stream warms up, is quiet, names what changed, closes its alarms, and goes on exactly after a restart."""

from pathlib import Path

import bson
import numpy as np
import pytest

from cvops_monitoring.context.regime import next_regime
from cvops_monitoring.context.time_of_day import fit_daily_cycle
from cvops_monitoring.plain import from_plain, to_plain
from cvops_monitoring.stream.alarm import AlarmState
from cvops_monitoring.stream.frames import Frames
from cvops_monitoring.stream.monitor import StreamMonitor
from cvops_monitoring.stream.reference import StreamReference, calibrate_stream, reference_from_plain
from cvops_monitoring.stream.regimes import CameraModelMonitor, Stage
from cvops_monitoring.stream.settings import MonitorSettings
from cvops_monitoring.stream.warm_up import BLOCK, MOST_BLOCKS, WarmUp
from tests.monitoring.frames import quiet_frames

SETTINGS = MonitorSettings(reference_frames=512, reference_span_s=0, hold_s=30)
BEGIN_S = 1.7e9


@pytest.fixture(scope="module")
def reference() -> StreamReference:
    rng = np.random.default_rng(5)
    return calibrate_stream(quiet_frames(rng, 600, BEGIN_S), 1e5, 32, rng)


def monitor_of(reference: StreamReference) -> StreamMonitor:
    return StreamMonitor(reference, SETTINGS)


def test_a_quiet_stream_raises_nothing(reference: StreamReference, rng: np.random.Generator):
    assert monitor_of(reference).push(quiet_frames(rng, 3000)) == []


@pytest.mark.parametrize(
    ("change", "signal"),
    [({"shift": 0.6}, "embedding"), ({"brighter": 12}, "brightness"), ({"rates": (1.5, 0.3, 1.0)}, "class_rate:new")],
)
def test_a_change_is_named_timed_and_closed(
    reference: StreamReference, rng: np.random.Generator, change: dict, signal: str
):
    monitor = monitor_of(reference)
    assert monitor.push(quiet_frames(rng, 304, BEGIN_S)) == []
    opened = [c for c in monitor.push(quiet_frames(rng, 400, BEGIN_S + 304, **change)) if c.state is AlarmState.OPENED]
    first = opened[0]
    assert first.signal == signal
    assert 0 <= first.at_s - (BEGIN_S + 304) < 120
    assert abs(first.alarm.since_s - (BEGIN_S + 304)) < 60
    closed = monitor.push(quiet_frames(rng, 2500, BEGIN_S + 704))
    assert signal in {c.signal for c in closed if c.state is AlarmState.CLOSED}
    assert monitor.alarms == {}


def test_state_and_reference_survive_a_store_exactly_however_the_stream_is_cut(
    reference: StreamReference, rng: np.random.Generator
):
    frames = quiet_frames(rng, 1000, BEGIN_S, shift=0.02)
    whole = monitor_of(reference)
    whole.push(frames)
    kept = reference_from_plain(bson.decode(bson.encode(to_plain(reference))))
    monitor, begin = StreamMonitor(kept, SETTINGS), 0
    for end in (3, 4, 250, 251, 777, 1000):
        monitor.push(frames[begin:end])
        state = bson.decode(bson.encode(monitor.to_state()))
        monitor, begin = StreamMonitor.from_state(kept, SETTINGS, state), end
    assert monitor.ratios == whole.ratios
    assert monitor.to_state() == whole.to_state()


def test_state_is_bounded(reference: StreamReference, rng: np.random.Generator):
    monitor = monitor_of(reference)
    monitor.push(quiet_frames(rng, 200))
    before = len(bson.encode(monitor.to_state()))
    monitor.push(quiet_frames(rng, 2000, BEGIN_S + 200))
    assert len(bson.encode(monitor.to_state())) < 1.1 * before < 200_000


def test_a_camera_warms_up_then_watches_and_ignores_what_comes_late(rng: np.random.Generator):
    camera = CameraModelMonitor(SETTINGS, seed=1)
    camera.push(quiet_frames(rng, 400, BEGIN_S))
    assert camera.watch is not None
    assert camera.watch.stage is Stage.LEARNING
    camera.push(quiet_frames(rng, 200, BEGIN_S + 400))
    assert camera.watch.stage is Stage.SETTLED
    assert camera.push(quiet_frames(rng, 20, BEGIN_S)) == []
    assert camera.out_of_order == 20


@pytest.mark.parametrize("at", [100, 300, 540, 700])
def test_a_camera_is_restored_at_any_stage(rng: np.random.Generator, at: int):
    settings = MonitorSettings(reference_frames=512, reference_span_s=600, hold_s=30)
    frames = quiet_frames(rng, 900, BEGIN_S)
    whole = CameraModelMonitor(settings, seed=1)
    whole.push(frames)
    first = CameraModelMonitor(settings, seed=1)
    first.push(frames[:at])
    state = bson.decode(bson.encode(first.to_state()))
    parts = bson.decode(bson.encode({"parts": to_plain(first.parts())}))["parts"]
    second = CameraModelMonitor.from_state(settings, 1, state, parts)
    second.push(frames[at:])
    assert second.to_state() == whole.to_state()
    assert second.parts().keys() == whole.parts().keys()


def test_a_clock_that_was_set_back_is_believed_after_a_while(rng: np.random.Generator):
    camera = CameraModelMonitor(SETTINGS, seed=1)
    camera.push(quiet_frames(rng, 600, BEGIN_S))
    assert camera.watch is not None
    assert camera.watch.monitor is not None
    before = camera.watch.monitor.frames
    camera.push(quiet_frames(rng, 100, BEGIN_S - 86_400))
    assert camera.watch.monitor.frames > before + 50


def test_night_is_another_regime_and_learns_by_itself(rng: np.random.Generator):
    camera = CameraModelMonitor(SETTINGS, seed=1)
    camera.push(quiet_frames(rng, 600, BEGIN_S))
    assert camera.push(quiet_frames(rng, 300, BEGIN_S + 600, brighter=-90, shift=1.0)) == []
    assert camera.regime == "night"
    assert camera.watch is not None
    assert camera.watch.stage is Stage.LEARNING
    assert camera.watches["day"].stage is Stage.SETTLED


def test_what_a_blind_camera_shows_is_no_reference(rng: np.random.Generator):
    camera = CameraModelMonitor(SETTINGS, seed=1)
    camera.push(quiet_frames(rng, 600, BEGIN_S))
    camera.push(quiet_frames(rng, 2000, BEGIN_S + 600, brighter=-90), blind=True)
    assert camera.watch is not None
    assert (camera.regime, camera.watch.stage) == ("night", Stage.LEARNING)
    camera.push(quiet_frames(rng, 600, BEGIN_S + 2600, brighter=-90))
    assert camera.watch.stage is Stage.SETTLED
    assert camera.watch.monitor is not None
    assert camera.watch.monitor.reference.begin_s >= BEGIN_S + 2600


def test_a_first_reference_is_provisional_until_the_span_is_covered(rng: np.random.Generator):
    settings = MonitorSettings(reference_frames=512, reference_span_s=1000, hold_s=30)
    camera = CameraModelMonitor(settings, seed=1)
    camera.push(quiet_frames(rng, 600, BEGIN_S))
    assert camera.watch is not None
    assert camera.watch.stage is Stage.PROVISIONAL
    camera.push(quiet_frames(rng, 500, BEGIN_S + 600))
    assert camera.watch.stage is Stage.SETTLED
    assert camera.watch.monitor is not None
    assert camera.watch.monitor.reference.frames > 900


def test_constant_pictures_never_alarm(rng: np.random.Generator):
    camera = CameraModelMonitor(SETTINGS, seed=1)
    same = quiet_frames(rng, 1, BEGIN_S)
    frames = [
        Frames(same.time_s + i, same.embedding, same.novelty, same.inputs, same.counts, same.confidence, (f"f{i}",))
        for i in range(1200)
    ]
    assert [change for frame in frames for change in camera.push(frame)] == []


def test_the_warm_up_is_bounded_and_spread_over_all_of_it(rng: np.random.Generator):
    warm_up = WarmUp()
    n = 5 * MOST_BLOCKS * BLOCK
    for begin in range(0, n, 1000):
        warm_up.push(quiet_frames(rng, min(1000, n - begin), BEGIN_S + begin, dims=2))
    kept = warm_up.collected
    assert len(kept) <= (MOST_BLOCKS + 1) * BLOCK
    assert kept.time_s[0] == BEGIN_S
    assert kept.time_s[-1] > BEGIN_S + 0.85 * n
    assert (np.diff(kept.time_s[:BLOCK]) == 1).all()


def test_the_daily_cycle_is_removed_and_only_learned_from_a_whole_day(rng: np.random.Generator):
    times = np.sort(rng.uniform(0, 86_400, 3000))
    x = np.sin(2 * np.pi * times / 86_400)[:, None] * [3.0, 0.0] + rng.standard_normal((3000, 2))
    cycle = fit_daily_cycle(x, times)
    assert cycle.known
    assert cycle.remove(x, times).std(0) == pytest.approx([1, 1], abs=0.06)
    assert not fit_daily_cycle(x[:500], times[:500]).known


def test_regimes_have_hysteresis():
    assert next_regime(None, 120, 80) == "day"
    assert next_regime("day", 50, 80) == "day"
    assert next_regime("night", 50, 80) == "night"
    assert next_regime("day", 120, 2) == "infrared"
    assert next_regime("infrared", 120, 8) == "infrared"


def test_plain_values_refuse_what_they_cannot_give_back():
    with pytest.raises(TypeError, match="set cannot be made plain"):
        to_plain({"a": {1, 2}})
    assert from_plain(to_plain((1, [2.5, None], b"x"))) == (1, [2.5, None], b"x")


def test_the_example_of_the_documents_runs_and_finds_its_change(capsys: pytest.CaptureFixture[str]):
    text = (Path(__file__).parents[2] / "docs" / "drift.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    exec(compile(code, "docs/drift.md", "exec"), {})
    assert "changed by frame" in capsys.readouterr().out
