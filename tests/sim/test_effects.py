"""Each effect changes what it says, from its start on, and nothing before."""

import numpy as np
import pytest

from cvops_sim.effects.kind import ActsOn
from cvops_sim.effects.registry import EFFECTS
from cvops_sim.fleet import mount
from cvops_sim.objects.kinds import CLASSES
from cvops_sim.scenario import EPOCH_NS
from cvops_sim.scene.layout import SiteKind
from cvops_sim.simcam import Clock, SimCamera, SimFrame
from cvops_sim.timeline import Occurrence

START_S, FPS = 20.0, 5.0
BEFORE, AFTER = 99, 130
FULL = {"yaw": 5.0, "pitch": 4.0, "roll": 5.0, "late": 10.0, "clock-offset": 3600.0}


@pytest.fixture(scope="module")
def quiet() -> SimCamera:
    """A camera to which nothing happens."""
    mounted = mount(5, "road", 0, kind=SiteKind.SUBURB, firmware="1.0", size_wh=(640, 360))
    return SimCamera(mounted, [], Clock(FPS, EPOCH_NS, hour=9.0))


def under(camera: SimCamera, name: str, magnitude: float | None = None) -> SimCamera:
    magnitude = FULL.get(name, 1.0) if magnitude is None else magnitude
    return camera.under([Occurrence(EFFECTS[name], magnitude, start_s=START_S)])


def frame(camera: SimCamera, sequence: int) -> SimFrame:
    found = camera.frame(sequence)
    assert found is not None
    return found


@pytest.mark.parametrize("name", EFFECTS)
def test_before_its_start_pixels_and_truth_are_those_without_it(quiet: SimCamera, name: str) -> None:
    expected, found = frame(quiet, BEFORE), frame(under(quiet, name), BEFORE)
    assert np.array_equal(expected.picture, found.picture)
    assert (expected.truth, expected.moment) == (found.truth, found.moment)


@pytest.mark.parametrize("name", [name for name, kind in EFFECTS.items() if kind.acts_on is not ActsOn.CLOCK])
def test_from_its_start_on_it_stands_in_the_truth_and_the_rest_of_the_truth_is_as_it_says(
    quiet: SimCamera, name: str
) -> None:
    without, found = frame(quiet, AFTER), frame(under(quiet, name), AFTER)
    assert [effect.name for effect in found.truth.effects] == [name]
    kind = EFFECTS[name]
    if kind.acts_on is ActsOn.TRUTH:
        assert np.array_equal(without.picture, found.picture)
    elif name == "scooters":  # seen where a cyclist is
        assert without.picture.shape == found.picture.shape
    else:
        assert not np.array_equal(without.picture, found.picture)
    if kind.acts_on in (ActsOn.LENS, ActsOn.IMAGE) and name not in ("squeeze", "low-resolution"):
        assert [thing.xyxy for thing in without.truth.objects] == [thing.xyxy for thing in found.truth.objects]
        assert found.truth.homography == without.truth.homography


@pytest.mark.parametrize(
    ("name", "measure", "grows"),
    [
        ("over-exposed", lambda p: p.mean(), True),
        ("under-exposed", lambda p: p.mean(), False),
        ("night", lambda p: p.mean(), False),
        ("covered", lambda p: p.std(), False),
        ("defocus", lambda p: np.abs(np.diff(p.astype(float), axis=1)).mean(), False),
        ("fog", lambda p: p.astype(float).std(), False),
        ("snow", lambda p: p[200:].mean(), True),
        ("ir-night", lambda p: np.ptp(p.astype(int), axis=2).mean(), False),
        ("colour-cast", lambda p: p[..., 2].mean() - p[..., 0].mean(), True),
        ("dirt", lambda p: p.mean(), False),
    ],
)
def test_a_larger_magnitude_does_more(quiet: SimCamera, name: str, measure, grows: bool) -> None:  # type: ignore[no-untyped-def]
    levels = [measure(frame(quiet, AFTER).picture)]
    levels += [measure(frame(under(quiet, name, magnitude), AFTER).picture) for magnitude in (0.4, 1.0)]
    assert levels == sorted(levels, reverse=not grows)
    assert len(set(levels)) == 3


def test_a_swap_of_channels_is_exact(quiet: SimCamera) -> None:
    swapped = frame(under(quiet, "channel-swap"), AFTER).picture
    assert np.array_equal(frame(quiet, AFTER).picture, swapped[..., ::-1])


def test_a_squeeze_and_a_lower_resolution_are_seen_in_the_size_and_boxes_go_along(quiet: SimCamera) -> None:
    wide = frame(quiet, AFTER).truth
    for name, size in (("squeeze", (480, 360)), ("low-resolution", (160, 90))):
        found = frame(under(quiet, name), AFTER)
        assert (found.picture.shape[1], found.picture.shape[0]) == (found.truth.width, found.truth.height) == size
        scale = np.array([size[0] / 640, size[1] / 360] * 2)
        for before, after in zip(wide.objects, found.truth.objects, strict=True):
            assert np.abs(np.array(before.xyxy) * scale - after.xyxy).max() <= 1
        corner = np.array(found.truth.homography) @ (640, 360, 1)
        assert corner[:2] / corner[2] == pytest.approx(size)


def test_a_frozen_stream_repeats_one_picture_while_its_time_stamps_go_on(quiet: SimCamera) -> None:
    camera = under(quiet, "frozen")
    first, later = frame(camera, 100), frame(camera, 170)
    assert np.array_equal(first.picture, later.picture)
    assert later.truth.captured_at_ns - first.truth.captured_at_ns == 14 * 10**9


def test_a_covered_camera_has_nothing_that_counts(quiet: SimCamera) -> None:
    assert any(not thing.ignored for thing in frame(quiet, AFTER).truth.objects)
    assert all(thing.ignored for thing in frame(under(quiet, "covered"), AFTER).truth.objects)


def test_a_new_definition_of_labels_leaves_no_van(quiet: SimCamera) -> None:
    old, new = quiet, under(quiet, "label-definition")
    busy = next(
        n for n in range(100, 3000, 25) if any(thing.class_name == "van" for thing in frame(old, n).truth.objects)
    )
    before, after = ([thing.class_name for thing in frame(camera, busy).truth.objects] for camera in (old, new))
    assert after == ["truck" if name == "van" else name for name in before]
    assert set(before) <= set(CLASSES)


def test_effects_that_act_together_are_all_there(quiet: SimCamera) -> None:
    both = [Occurrence(EFFECTS["fog"], 0.5), Occurrence(EFFECTS["channel-swap"], 1.0), Occurrence(EFFECTS["yaw"], 3.0)]
    found = frame(quiet.under(both), AFTER)
    fog_and_yaw = frame(quiet.under([both[0], both[2]]), AFTER)
    assert np.array_equal(found.picture, fog_and_yaw.picture[..., ::-1])
    assert {effect.name for effect in found.truth.effects} == {"fog", "channel-swap", "yaw"}
