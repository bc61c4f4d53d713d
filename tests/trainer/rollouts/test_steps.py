from cvops_common.selectors import Selector
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.training_pb2 import Rollout
from cvops_trainer.rollouts.steps import Bundles, canary_of, release_id, releases_of, slot_of
from cvops_trainer.served import served_by

CAMERAS = ["north-1", "north-2", "south-1"]
BUNDLES = Bundles("bundles/new.zip", "bundles/old.zip")
CHAMPION = ModelReleased(project="p", slot="champion", stage=ModelReleased.STAGE_CHAMPION, percent=100)


def a_rollout(state, cameras=CAMERAS[:2], serving=None, everywhere=False):
    rollout = Rollout(rollout_id="ab" * 16, project="p", state=state, cameras=cameras, champion_slot="champion")
    rollout.serving.extend(serving or cameras)
    rollout.candidate.name, rollout.candidate.bundle_sha256 = "new", "new"
    rollout.champion.name, rollout.champion.bundle_sha256 = "old", "old"
    rollout.slot = slot_of(rollout.rollout_id, everywhere)
    return rollout


def whole_way(*rollouts):
    """What serves each camera after every single release of a way."""
    log = [CHAMPION]
    log[0].model.name = "old"
    for rollout in rollouts:
        for release in releases_of(rollout, BUNDLES):
            log.append(release)
            yield {camera: served_by(log, Camera(camera_id=camera, project="p")) for camera in CAMERAS}


def counting(releases):
    return [each.model.name for each in releases if each.stage != ModelReleased.STAGE_SHADOW]


def test_the_canary_is_stable_and_never_empty():
    assert canary_of(CAMERAS, 0.01) == canary_of(reversed(CAMERAS), 0.01)
    assert len(canary_of(CAMERAS, 0.01)) == 1
    assert canary_of(CAMERAS, 1.0) == CAMERAS
    assert len(canary_of([f"c{n}" for n in range(100)], 0.25)) == 25


def test_on_the_way_to_promotion_every_camera_has_one_champion_at_every_moment():
    way = [
        a_rollout(Rollout.STATE_SHADOW),
        a_rollout(Rollout.STATE_CANARY, serving=["north-1"]),
        a_rollout(Rollout.STATE_PROMOTED),
        a_rollout(Rollout.STATE_CONFIRMED),
    ]
    moments = list(whole_way(*way))
    for serving in moments:
        # While one slot gives way to the other both may hold the candidate for a moment; it never is without.
        assert all(set(counting(serving[camera])) in ({"old"}, {"new"}) for camera in CAMERAS)
    assert counting(moments[-1]["north-1"]) == counting(moments[-1]["north-2"]) == ["new"]
    assert counting(moments[-1]["south-1"]) == ["old"]
    assert len(moments[-1]["north-1"]) == 1


def test_after_a_rollback_everything_is_as_before():
    for stages in ([Rollout.STATE_SHADOW], [Rollout.STATE_SHADOW, Rollout.STATE_CANARY]):
        way = [a_rollout(stage, serving=["north-1"]) for stage in stages] + [a_rollout(Rollout.STATE_ROLLED_BACK)]
        last = list(whole_way(*way))[-1]
        assert all(counting(last[camera]) == ["old"] and len(last[camera]) == 1 for camera in CAMERAS)


def test_a_candidate_for_all_cameras_takes_the_slot_of_the_champion():
    release = releases_of(a_rollout(Rollout.STATE_PROMOTED, everywhere=True), BUNDLES)[1]
    assert release.slot == "champion"
    assert release.selector == release.takes_over == ""


def test_a_release_has_one_id_for_a_stage_and_slot():
    shadow, canary = a_rollout(Rollout.STATE_SHADOW), a_rollout(Rollout.STATE_CANARY)
    ids = [release_id(each, release) for each in (shadow, canary) for release in releases_of(each, BUNDLES)]
    assert len(set(ids)) == 3
    assert release_id(shadow, releases_of(shadow, BUNDLES)[0]) == ids[0]


def test_the_selector_names_the_cameras():
    selector = Selector.parse(releases_of(a_rollout(Rollout.STATE_CANARY), BUNDLES)[1].selector)
    assert [selector.matches(Camera(camera_id=camera)) for camera in CAMERAS] == [True, True, False]
