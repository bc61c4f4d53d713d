"""The catalog: frames once, searched, tagged, kept; images that are there and images that are not."""

import asyncio
import time
from datetime import timedelta

import grpc
import pytest

from cvops_common.projects import parse
from cvops_protos.v1 import labeling_pb2 as pb
from cvops_protos.v1.drift_pb2 import DriftEvent
from cvops_protos.v1.prediction_pb2 import ModelRole
from tests.labeling.conftest import BEGIN, CLASSES
from tests.labeling.test_labels import refusal
from tests.labeling.waiting import until

pytestmark = pytest.mark.engines


async def test_a_frame_that_comes_twice_or_by_a_shadow_is_one_frame(labeling, seen, project):
    nothing_at_random = parse(f"project: {project}\nedge_cases: {{keep_share: 0}}", "p")
    await labeling.call("ApplyProject", pb.ApplyProjectRequest(project=nothing_at_random))
    frames = await seen.frames([f"{project}-1"], 20)
    shadows = await seen.frames([f"{project}-2"], 5, role=ModelRole.MODEL_ROLE_SHADOW)
    await labeling.feed([*frames, *frames, *shadows, frames[-1]])
    found = await until(labeling.frames, lambda found: len(found) == 20)
    await asyncio.sleep(0.3)
    assert len(await labeling.frames()) == 20
    assert [each.frame_id for each in found] == sorted((each.frame_id for each in frames), reverse=True)
    assert {each.status for each in found} == {"seen"}
    assert {name for each in found for name in each.classes} <= set(CLASSES)
    assert found[0].captured_at == frames[-1].captured_at


async def test_search_narrows_and_goes_page_by_page(labeling, seen, project):
    cameras = [f"{project}-1", f"{project}-2"]
    frames = await seen.frames(cameras, 30)
    await labeling.feed(frames)
    everything = await until(labeling.frames, lambda found: len(found) == 60)
    assert len(await labeling.frames(cameras=cameras[:1])) == 30
    sure = [each for each in everything if each.best_score >= 0.8]
    assert {each.frame_id for each in await labeling.frames(least_score=0.8)} == {each.frame_id for each in sure}
    cars = await labeling.frames(class_name="car")
    assert 0 < len(cars) < 60
    assert all("car" in each.classes for each in cars)
    request = pb.SearchFramesRequest(project=project, limit=25)
    request.since.FromDatetime(BEGIN + timedelta(seconds=5))
    request.until.FromDatetime(BEGIN + timedelta(seconds=25))
    pages = []
    while True:
        page = await labeling.call("SearchFrames", request)
        pages.append([each.frame_id for each in page.frames])
        if not page.next_page:
            break
        request.page = page.next_page
    assert [len(page) for page in pages] == [25, 15]
    assert len({frame_id for page in pages for frame_id in page}) == 40
    for wrong, said in (
        ({"status": "lost"}, "status 'lost' is not known"),
        ({"least_score": 2.0}, "least_score is 2"),
        ({"page": "$where"}, "is not one that an answer gave"),
    ):
        code, told = await refusal(labeling.frames(**wrong))
        assert (code, said in told) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_tags_are_added_removed_and_found(labeling, seen, project):
    await labeling.feed(await seen.frames([f"{project}-1"], 10))
    found = [each.frame_id for each in await until(labeling.frames, lambda found: len(found) == 10)]

    async def tag(frame_ids, add=(), remove=()) -> int:
        request = pb.TagFramesRequest(frame_ids=frame_ids, add=add, remove=remove)
        return (await labeling.call("TagFrames", request, by="annotator")).changed

    assert await tag(found[:4], add=["night", "rain"]) == 4
    assert await tag(found[:6], add=["night"]) == 2
    assert await tag([*found[:2], "unknown"], remove=["rain"]) == 2
    assert len(await labeling.frames(tags=["night"])) == 6
    assert {each.frame_id for each in await labeling.frames(tags=["night", "rain"])} == set(found[2:4])
    code, said = await refusal(tag(found, add=[" "]))
    assert (code, "tag ' ' cannot be used" in said) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_images_are_given_as_stored_and_an_expired_one_is_named(labeling, seen, project):
    frames = await seen.frames([f"{project}-1"], 20, segment="segments/a.seg")
    await labeling.feed(frames)
    await until(labeling.frames, lambda found: len(found) == 20)
    asset = await labeling.call("GetAsset", pb.GetAssetRequest(frame_id=frames[0].frame_id))
    assert asset.image.startswith(b"\xff\xd8")
    expiring = await seen.frames([f"{project}-2"], 20, segment="segments/b.seg")
    request = pb.SelectFramesRequest(project=project, cameras=[f"{project}-1"], budget_frames=4)
    request.since.FromDatetime(BEGIN)
    selection = await labeling.call("SelectFrames", request)
    await seen.objects.delete(["segments/a.seg", "segments/b.seg"])
    picked = selection.picks[0]
    kept = await labeling.call("GetAsset", pb.GetAssetRequest(frame_id=picked.frame_id))
    assert kept.sha256 == picked.asset_sha256
    lost = next(each.frame_id for each in frames if each.frame_id not in {pick.frame_id for pick in selection.picks})
    code, said = await refusal(labeling.call("GetAsset", pb.GetAssetRequest(frame_id=lost)))
    assert (code, "has expired with its segment segments/a.seg" in said) == (grpc.StatusCode.NOT_FOUND, True)
    # Of a camera of which nothing was chosen yet, so that no frame is too close to one of another side.
    await labeling.feed(expiring)
    await until(labeling.frames, lambda found: len(found) == 40)
    request.cameras[:] = [f"{project}-2"]
    code, said = await refusal(labeling.call("SelectFrames", request))
    assert (code, "images of all chosen frames have expired" in said) == (grpc.StatusCode.NOT_FOUND, True)
    for wrong, expected in (
        (pb.GetAssetRequest(), "by one of the two"),
        (pb.GetAssetRequest(sha256="../../etc"), "expected 64 hexadecimal digits"),
        (pb.GetAssetRequest(sha256="0" * 64), "there is no asset"),
        (pb.GetAssetRequest(frame_id="nowhere"), "frame 'nowhere' is not in the catalog"),
    ):
        assert expected in (await refusal(labeling.call("GetAsset", wrong)))[1]


async def test_a_share_of_all_frames_is_kept_and_the_rest_expires(labeling, seen, project, mongo):
    everything = parse(f"project: {project}\nedge_cases: {{keep_share: 0.5}}", "p")
    await labeling.call("ApplyProject", pb.ApplyProjectRequest(project=everything))
    await labeling.feed(await seen.frames([f"{project}-1"], 60))
    await until(labeling.frames, lambda found: len(found) == 60)
    kept = await until(lambda: labeling.frames(status="kept"), lambda found: len(found) >= 15)
    assert len(kept) <= 45
    assert all(each.asset_sha256 for each in kept)
    frames = mongo.db["frames"]
    assert await frames.count_documents({"project": project, "status": "seen", "expires_at": {"$exists": False}}) == 0
    assert await frames.count_documents({"project": project, "status": "kept", "expires_at": {"$exists": True}}) == 0
    indexes = await (await frames.list_indexes()).to_list()
    assert len(indexes) - 1 <= 4
    assert any(each.get("expireAfterSeconds") == 0 for each in indexes)


async def test_a_prediction_that_cannot_be_takes_no_other_with_it(labeling, seen, project):
    frames = await seen.frames([f"{project}-1"], 10)
    broken = await seen.frames([f"{project}-2"], 2)
    broken[0].detections.score = b"\0\0\xc0\x7f" * 3  # NaN
    broken[0].detections.class_id = b"\0\0" * 3
    broken[1].width = 0
    await labeling.feed([*frames[:5], *broken, *frames[5:]])
    await until(labeling.frames, lambda found: len(found) == 10)
    letters = await until(
        lambda: labeling.told("predictions.labeling.dlq", type(broken[0]), f"{project}-2"),
        lambda found: len(found) >= len(broken),
    )
    assert {each.frame_id for each in letters} == {each.frame_id for each in broken}


async def test_what_drift_showed_is_among_the_picks(labeling, seen, project):
    frames = await seen.frames([f"{project}-1"], 60)
    shown = {each.frame_id for each in frames[10::12]}
    event = DriftEvent(event_id=project, alarm_id=project, camera_id=f"{project}-1", project=project)
    for frame_id in sorted(shown):
        event.exemplars.add(frame_id=frame_id, role="farthest")
    await labeling.feed([*frames, event, event])
    await until(labeling.frames, lambda found: len(found) == 60)
    await asyncio.sleep(0.5)
    request = pb.SelectFramesRequest(project=project, budget_frames=30)
    request.since.FromDatetime(BEGIN)
    selection = await labeling.call("SelectFrames", request)
    assert {pick.frame_id for pick in selection.picks if pick.reason == "exemplar"} & shown


async def test_the_catalog_takes_five_hundred_predictions_a_second(labeling, seen, project):
    frames = await seen.frames([f"{project}-{i}" for i in range(10)], 150)
    begin_s, cpu_s = time.monotonic(), time.process_time()
    await labeling.feed(frames)
    request = pb.SearchFramesRequest(project=project, limit=1)
    oldest = frames[-1].frame_id
    await until(
        lambda: labeling.call("SearchFrames", request), lambda page: page.frames and page.frames[0].frame_id >= oldest
    )
    rate = len(frames) / (time.process_time() - cpu_s)
    print(f"{len(frames) / (time.monotonic() - begin_s):.0f} frames/s, {rate:.0f} per CPU-second with their feeding")
    assert rate > 500
