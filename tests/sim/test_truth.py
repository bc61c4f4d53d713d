import json
from dataclasses import replace

import numpy as np
import pytest

from cvops_sim.camera import Turn
from cvops_sim.objects.figure import drawn, figure_of
from cvops_sim.objects.kinds import CLASSES
from cvops_sim.raster import MORE_THAN_HALF, Box, bounds
from cvops_sim.renderer import Rendered, Renderer
from cvops_sim.traffic import actors_at
from cvops_sim.truth import ActiveEffect, FrameTruth, why_ignored
from cvops_sim.world import World

BUSY = World(hour=17.4, traffic=1.4, scooters=0.3)
WORLDS = [
    BUSY,
    replace(BUSY, dark=1.0),
    replace(BUSY, infrared=1.0),
    replace(BUSY, snow=1.0, works=True),
    replace(BUSY, fog_per_m=0.02, turn=Turn(4, 1, 3)),
    replace(BUSY, turn=Turn(21, 24, 58)),
]
MOMENTS = [600.0 + 11.3 * k for k in range(6)]


def frames(renderer: Renderer, world: World) -> list[Rendered]:
    return [renderer.render(at_s, world) for at_s in MOMENTS]


def alone(renderer: Renderer, frame: Rendered, at_s: float, world: World) -> dict[str, tuple[np.ndarray, Box]]:
    """Each object drawn in white on black, with nothing else in the world: the picture and where it lies."""
    pictures = {}
    for actor in actors_at(renderer.scene, world, at_s):
        figure = figure_of(actor, frame.view, None, np.zeros(3, np.float32))
        if figure is None:
            continue
        white = np.full_like(figure.shape.colours, 255)
        sprite = drawn(figure.shape, white, frame.view.width, frame.view.height)
        if sprite is not None and sprite.silhouette.any():
            pictures[f"{actor.track_id:08x}"] = sprite.colour, sprite.box
    return pictures


@pytest.mark.parametrize("world", WORLDS, ids=["day", "night", "infrared", "snow", "fog and turn", "knocked"])
def test_the_boxes_of_all_objects_have_no_edge_error_against_their_rendered_masks(renderer: Renderer, world: World):
    checked = 0
    for at_s in MOMENTS:
        frame = renderer.render(at_s, world)
        masks = alone(renderer, frame, at_s, world)
        assert {truth.track_id for truth in frame.objects} == set(masks)
        for truth in frame.objects:
            picture, at = masks[truth.track_id]
            edges = bounds(picture[..., 0] >= MORE_THAN_HALF)
            assert edges is not None
            expected = (at.left + edges.left, at.top + edges.top, at.left + edges.right, at.top + edges.bottom)
            assert truth.xyxy == expected
            checked += 1
    assert checked > 0


@pytest.mark.parametrize("world", WORLDS[:5], ids=["day", "night", "infrared", "snow", "fog and turn"])
def test_the_boxes_of_fully_visible_objects_have_no_edge_error_against_the_frame(renderer: Renderer, world: World):
    checked = 0
    for frame in frames(renderer, world):
        for index, truth in enumerate(frame.objects, start=1):
            if truth.visibility == 1:
                edges = bounds(frame.instances == index)
                assert edges == Box(*truth.xyxy)
                checked += 1
    assert checked > 5


def test_no_object_is_seen_outside_its_box(renderer: Renderer):
    for frame in frames(renderer, BUSY):
        for index, truth in enumerate(frame.objects, start=1):
            edges = bounds(frame.instances == index)
            if edges is None:
                assert truth.visibility == 0
                continue
            left, top, right, bottom = truth.xyxy
            assert left <= edges.left < edges.right <= right
            assert top <= edges.top < edges.bottom <= bottom


def test_every_pixel_of_an_object_in_the_instances_is_painted(urban: Renderer):
    """In the dark-free, shadow-free infra-red world only objects can change the backdrop."""
    world = replace(BUSY, infrared=1.0, hour=12.0)
    empty = urban.render(600, replace(world, traffic=0)).picture.astype(int)
    frame = urban.render(600, world)
    changed = np.abs(frame.picture.astype(int) - empty).max(-1) > 0
    inside = frame.instances > 0
    assert inside.sum() > 500
    assert changed[inside].mean() > 0.95


def test_visibility_is_the_share_of_the_silhouette_that_is_seen(renderer: Renderer):
    hidden_in_part = 0
    for at_s in MOMENTS:
        frame = renderer.render(at_s, BUSY)
        masks = alone(renderer, frame, at_s, BUSY)
        for index, truth in enumerate(frame.objects, start=1):
            left, top, right, bottom = truth.xyxy
            if left == 0 or top == 0 or right == frame.view.width or bottom == frame.view.height:
                continue
            total = np.count_nonzero(masks[truth.track_id][0][..., 0] >= MORE_THAN_HALF)
            seen = np.count_nonzero(frame.instances == index)
            assert truth.visibility == pytest.approx(seen / total, abs=1e-4)
            hidden_in_part += 0 < truth.visibility < 1
    assert hidden_in_part > 0


def test_what_lies_beyond_the_border_counts_as_hidden(urban: Renderer):
    """The same object in a picture with a wide margin tells how much of it the frame cuts off."""
    compared = 0
    for at_s in np.arange(600, 900, 3.0):
        frame = urban.render(float(at_s), BUSY)
        margin = 1.5
        wide = urban.camera.view(margin=margin)
        for actor in actors_at(urban.scene, BUSY, float(at_s)):
            truth = next((t for t in frame.objects if t.track_id == f"{actor.track_id:08x}"), None)
            figure = figure_of(actor, wide, None, np.zeros(3, np.float32))
            if truth is None or figure is None or not (truth.xyxy[0] == 0 or truth.xyxy[3] == 360):
                continue
            sprite = drawn(figure.shape, figure.shape.colours, wide.width, wide.height)
            assert sprite is not None
            full = np.zeros((wide.height, wide.width), bool)
            full[sprite.box.slices] = sprite.silhouette
            whole = np.count_nonzero(full)
            seen = np.count_nonzero(frame.instances == frame.objects.index(truth) + 1)
            if seen > 200 and not full[[0, -1]].any() and not full[:, [0, -1]].any():
                assert seen / truth.visibility == pytest.approx(whole, rel=0.05)
                compared += 1
    assert compared > 3


def test_objects_tell_their_class_their_track_and_their_distance(renderer: Renderer):
    frame = renderer.render(600, BUSY)
    distances = [truth.distance_m for truth in frame.objects]
    assert {truth.class_name for truth in frame.objects} <= set(CLASSES)
    assert len({truth.track_id for truth in frame.objects}) == len(frame.objects)
    assert max(distances) > 40


@pytest.mark.parametrize(
    ("height_px", "frame_px", "visibility", "transmission", "reason"),
    [
        (20, 360, 1.0, 1.0, ""),
        (19, 360, 1.0, 1.0, "small"),
        (59, 1080, 1.0, 1.0, "small"),
        (60, 1080, 1.0, 1.0, ""),
        (50, 360, 0.30, 1.0, ""),
        (50, 360, 0.29, 1.0, "hidden"),
        (50, 360, 1.0, 0.10, ""),
        (50, 360, 1.0, 0.09, "fog"),
    ],
)
def test_what_no_one_could_find_does_not_count(height_px, frame_px, visibility, transmission, reason):
    assert why_ignored(height_px, frame_px, visibility, transmission) == reason


def test_objects_behind_fog_do_not_count(renderer: Renderer):
    clear = [truth for frame in frames(renderer, BUSY) for truth in frame.objects]
    foggy = [truth for frame in frames(renderer, replace(BUSY, fog_per_m=0.08)) for truth in frame.objects]
    lost = [truth for truth in foggy if truth.ignored == "fog"]
    assert all(truth.ignored != "fog" for truth in clear)
    assert lost
    assert min(truth.distance_m for truth in lost) > 28
    assert [truth.xyxy for truth in clear] == [truth.xyxy for truth in foggy]


def test_the_truth_survives_json(urban: Renderer):
    frame = urban.render(600, WORLDS[4])
    effects = (ActiveEffect("fog", 0.25),)
    truth = FrameTruth("cam-1", 1_700_000_000_000_000_000, 7, 640, 360, frame.objects, frame.homography, effects)
    assert len(truth.objects) > 3
    assert FrameTruth.from_json(json.loads(json.dumps(truth.to_json()))) == truth


def test_truth_without_a_field_is_refused():
    with pytest.raises(KeyError):
        FrameTruth.from_json({"camera_id": "cam-1", "homography": []})
