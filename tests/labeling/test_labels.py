"""Labels: refused when wrong, once when sent twice, never overwritten unseen."""

import asyncio

import grpc
import pytest

from cvops_common.projects import parse
from cvops_protos.v1 import labeling_pb2 as pb
from tests.labeling.conftest import BEGIN, box
from tests.labeling.waiting import until

pytestmark = pytest.mark.engines

ANNA = pb.Author(kind="human", name="anna")
BERT = pb.Author(kind="human", name="bert")


async def some_tasks(labeling, seen, project, count: int = 8) -> list[pb.Task]:
    await labeling.feed(await seen.frames([f"{project}-1"], 40))
    await until(labeling.frames, lambda found: len(found) == 40)
    request = pb.SelectFramesRequest(project=project, budget_frames=count)
    request.since.FromDatetime(BEGIN)
    selection = await labeling.call("SelectFrames", request)
    assert 1 <= len(selection.picks) <= count
    return list((await labeling.tasks()).tasks)


async def refusal(awaitable) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await awaitable
    return refused.value.code(), refused.value.details() or ""


async def test_two_people_never_overwrite_each_other_unseen(labeling, seen, project):
    task = (await some_tasks(labeling, seen, project))[0]
    first = await labeling.label(task, [box("car")], author=ANNA)
    assert first.revision == 1
    code, said = await refusal(labeling.label(task, [box("van")], author=BERT))
    assert code is grpc.StatusCode.ABORTED
    assert "revision 1 by human anna, you saw 0" in said
    second = await labeling.label(task, [box("van")], author=BERT, revision=1)
    assert second.revision == 2
    code, _ = await refusal(labeling.label(task, [box("person")], author=ANNA, revision=1))
    assert code is grpc.StatusCode.ABORTED
    told = await until(lambda: labeling.told("labels", pb.Label, f"{project}-1"), lambda found: len(found) == 2)
    assert [(each.revision, each.author.name) for each in told] == [(1, "anna"), (2, "bert")]
    assert all(each.predicted == task.suggestion and each.predicted_by for each in told)
    assert list(told[0].predicted_classes) == list(task.suggestion_classes)
    held = [
        label
        async for label in labeling.stub.ExportLabels(
            pb.ExportLabelsRequest(project=project), metadata=labeling.annotator
        )
    ]
    assert [(each.revision, each.annotations[0].class_name) for each in held] == [(2, "van")]


async def test_of_twenty_at_once_one_is_written_and_nineteen_are_told(labeling, seen, project):
    task = (await some_tasks(labeling, seen, project))[0]

    async def submit(i: int) -> str:
        try:
            label = await labeling.label(task, [box(left=i)], author=pb.Author(kind="human", name=f"p{i}"))
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return label.author.name

    answers = await asyncio.gather(*(submit(i) for i in range(20)))
    assert answers.count("ABORTED") == 19
    told = await until(lambda: labeling.told("labels", pb.Label, f"{project}-1"))
    assert [each.author.name for each in told] == [each for each in answers if each != "ABORTED"]


async def test_the_same_submission_twice_is_one_label(labeling, seen, project):
    task = (await some_tasks(labeling, seen, project))[0]
    answers = await asyncio.gather(*(labeling.label(task, [box(), box("van")], author=ANNA) for _ in range(8)))
    assert len({answer.label_id for answer in answers}) == 1
    assert {answer.revision for answer in answers} == {1}
    again = await labeling.label(task, [box(), box("van")], author=ANNA)
    assert again == answers[0]
    await labeling.label(task, [], author=ANNA, revision=1)
    told = await until(lambda: labeling.told("labels", pb.Label, f"{project}-1"), lambda found: len(found) == 2)
    assert [len(each.annotations) for each in told] == [2, 0]


async def test_an_empty_label_and_a_skipped_one_are_two_things(labeling, seen, project):
    nothing_at_random = parse(f"project: {project}\nedge_cases: {{keep_share: 0}}", "p")
    await labeling.call("ApplyProject", pb.ApplyProjectRequest(project=nothing_at_random))
    tasks = await some_tasks(labeling, seen, project)
    empty = await labeling.label(tasks[0])
    skipped = await labeling.label(tasks[1], skip=True)
    assert (empty.status, skipped.status) == (pb.Label.STATUS_DONE, pb.Label.STATUS_SKIPPED)
    counts = (await labeling.tasks()).counts
    assert (counts["done"], counts["skipped"]) == (1, 1)
    released = await labeling.call("ReleaseDataset", pb.ReleaseDatasetRequest(project=project))
    assert sum(released.images.values()) == 1
    assert {frame.status for frame in await labeling.frames()} == {"seen", "picked", "labelled", "skipped"}


WRONG = (
    (box("tram"), "class 'tram' is not in the project, expected one of person, car, van"),
    (box(""), "names no class"),
    (box(left=float("nan")), "a coordinate is not a number"),
    (box(width=float("inf")), "a coordinate is not a number"),
    (box(left=60, width=10), "from (60, 2) to (70, 10) px lies outside the upright image of 64x48 px"),
    (box(width=0), "a box of 0x8 px holds nothing"),
    (pb.Annotation(class_name="car", polygon=pb.Annotation.Polygon(xy=[1, 1, 2, 2])), "4 coordinates, expected"),
    (pb.Annotation(class_name="car", mask=pb.Annotation.Mask(width=64, height=48, counts=[5])), "runs sum to 5"),
    (pb.Annotation(class_name="car", mask=pb.Annotation.Mask(width=64, height=48, counts=[3072])), "mask is empty"),
)


async def test_annotations_that_cannot_be_are_refused(labeling, seen, project):
    applied = parse(f"project: {project}\nclasses: [person, car, van]", "p")
    await labeling.call("ApplyProject", pb.ApplyProjectRequest(project=applied))
    task = (await some_tasks(labeling, seen, project, 2))[0]
    for annotation, said in WRONG:
        code, told = await refusal(labeling.label(task, [box(), annotation]))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert said in told
        assert "annotation 2" in told
    assert (await labeling.tasks()).counts["done"] == 0


async def test_a_project_without_classes_takes_those_of_its_champion(labeling, seen, project):
    task = (await some_tasks(labeling, seen, project, 2))[0]

    async def said() -> str:
        # Until the release has come through, any class is good, and the same label twice is one.
        try:
            await labeling.label(task, [box("tram")])
        except grpc.aio.AioRpcError as error:
            return error.details() or ""
        return ""

    assert "class 'tram' is not in the project, expected one of car, van, person" in await until(said)


async def test_other_wrong_submissions_are_refused(labeling, seen, project):
    task = (await some_tasks(labeling, seen, project, 2))[0]
    twice = box()
    twice.id = "a"
    for change, said in (
        (labeling.label(task, [twice, twice]), "its id stands there twice"),
        (labeling.label(task, [pb.Annotation(class_name="car")] * 2), "two annotations class the image"),
        (labeling.label(task, [box()], skip=True), "an image that cannot be told has no annotations"),
        (labeling.label(task, author=pb.Author(kind="robot", name="x")), "is of kind 'robot'"),
        (labeling.label(task, author=pb.Author(kind="human", name="a b")), "author 'a b' cannot be used"),
        (labeling.label(task, seconds_spent=float("nan")), "seconds_spent is nan"),
    ):
        code, told = await refusal(change)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert said in told
    code, told = await refusal(labeling.label(pb.Task(task_id="no")))
    assert (code, "there is no task 'no'" in told) == (grpc.StatusCode.NOT_FOUND, True)
    assert (await labeling.tasks()).counts["done"] == 0


async def test_tasks_are_lent_to_one_at_a_time_and_come_back(labeling, seen, project):
    short = f"project: {project}\nedge_cases: {{lease_s: 1}}"
    await labeling.call("ApplyProject", pb.ApplyProjectRequest(project=parse(short, "p")))
    tasks = await some_tasks(labeling, seen, project, 12)
    lent = await asyncio.gather(*(labeling.lease(2, author=f"p{i}") for i in range(12)))
    ids = [task.task_id for some in lent for task in some]
    assert len(ids) == len(set(ids)) == len(tasks)
    assert (await labeling.tasks(state="leased")).counts["leased"] == len(tasks)
    assert {task.leased_by for task in (await labeling.tasks()).tasks} == {
        f"p{i}" for i, some in enumerate(lent) if some
    }
    assert await labeling.lease(1) == []
    back = await until(lambda: labeling.lease(1, author="late"))
    assert back[0].leased_by == "late"
    await labeling.label(back[0], author=ANNA)
    assert (await labeling.tasks(state="done")).tasks[0].task_id == back[0].task_id


async def test_roles_are_kept_apart(labeling, project):
    for method, request in (
        ("ApplyProject", pb.ApplyProjectRequest()),
        ("SelectFrames", pb.SelectFramesRequest(project=project)),
        ("ReleaseDataset", pb.ReleaseDatasetRequest(project=project)),
    ):
        code, _ = await refusal(labeling.call(method, request, by="annotator"))
        assert code is grpc.StatusCode.PERMISSION_DENIED
    code, said = await refusal(labeling.call("ReleaseDataset", pb.ReleaseDatasetRequest(project=project)))
    assert (code, "has no label yet" in said) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    code, said = await refusal(labeling.call("SelectFrames", pb.SelectFramesRequest(project=project)))
    assert (code, "there is no frame of any camera" in said) == (grpc.StatusCode.NOT_FOUND, True)
    code, said = await refusal(labeling.lease(1, author=""))
    assert (code, "author '' cannot be used" in said) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    code, said = await refusal(labeling.tasks(state="gone"))
    assert "state 'gone' is not known" in said
