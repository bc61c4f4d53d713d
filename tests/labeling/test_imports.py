"""Labels from and to files, through the client and the command line, on the running service."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from click.testing import CliRunner

from cvops import Client, Connection
from cvops.cli.main import main
from cvops.errors import Refused
from cvops.labeling import ImportImage
from cvops_datasets.coco import read_coco
from cvops_datasets.yolo import read_yolo
from cvops_protos.v1 import labeling_pb2 as pb
from tests.labeling.conftest import BEGIN, Running, box, image_bytes
from tests.labeling.test_labels import ANNA, BERT
from tests.labeling.waiting import until

pytestmark = pytest.mark.engines


def connection_of(service: Running) -> Connection:
    key = service.operator[0][1].removeprefix("Bearer ")
    return Connection("", "", "", "", Path("none"), key, labeling=service.settings.grpc_listen)


async def aside(work: Callable[[], Any]) -> Any:
    """Blocking work of a client, while the service runs here."""
    return await asyncio.to_thread(work)


async def with_client(service: Running, work: Callable[[Client], Any]) -> Any:
    def run() -> Any:
        with Client(connection_of(service)) as client:
            return work(client)

    return await aside(run)


async def cvops(service: Running, *arguments: str) -> Any:
    """The command's answer as JSON, or what it said when it failed."""
    connection = connection_of(service)
    environment = {"CVOPS_LABELING": connection.labeling, "CVOPS_KEY": connection.key}
    result = await aside(lambda: CliRunner().invoke(main, ["--json", *arguments], env=environment))
    assert result.exit_code in (0, 1, 2), result.exception
    # The service runs in this process and its log goes to the same place.
    return json.loads(result.stdout.splitlines()[-1]) if result.exit_code == 0 else result.stderr


def some(count: int, begin: int = 0, **more) -> list[ImportImage]:
    return [ImportImage(f"{i}.jpg", image_bytes(begin + i), [box()] * (i % 3), **more) for i in range(count)]


async def test_the_same_image_twice_is_one_and_others_words_stand(service, project):
    images = some(40)
    first = await with_client(service, lambda client: client.labeling.import_images(project, images))
    assert (first.images, first.known, first.annotations) == (40, 0, sum(i % 3 for i in range(40)))
    again = await with_client(service, lambda client: client.labeling.import_images(project, [*images, images[0]]))
    assert (again.images, again.known) == (0, 41)
    changed = [ImportImage(each.file_name, each.image, [box("van")]) for each in images[:2]]
    by_anna = await with_client(service, lambda client: client.labeling.import_images(project, changed, author=ANNA))
    assert (by_anna.images, by_anna.known) == (0, 2)
    corrected = await with_client(service, lambda client: client.labeling.import_images(project, changed))
    assert corrected.images == 2
    labels = await with_client(service, lambda client: list(client.labeling.export(project)))
    assert len(labels) == 40
    assert sorted(each.revision for each in labels)[-3:] == [1, 2, 2]
    splits = {each.split for each in labels}
    assert splits == {"train", "val", "test"}
    told = await until(
        lambda: service.told("labels", pb.Label, "import"),
        lambda found: len([each for each in found if each.project == project]) == 42,
    )
    assert {each.asset_sha256 for each in told if each.project == project} == {each.asset_sha256 for each in labels}


async def test_an_imported_image_can_be_labelled_anew(service, project):
    await with_client(service, lambda client: client.labeling.import_images(project, some(1)))

    def relabel(client: Client) -> pb.Label:
        (task,) = client.labeling.tasks(project).tasks
        assert (task.state, task.revision, task.reason) == ("done", 1, "import")
        assert client.labeling.asset(task.asset_sha256) == image_bytes(0)
        return client.labeling.submit(task, [box("van")], BERT, task.revision, 3.5)

    label = await with_client(service, relabel)
    assert (label.revision, label.seconds_spent) == (2, 3.5)


async def test_frames_of_one_camera_and_time_stand_on_one_side(service, project):
    images = [
        ImportImage(
            f"{i}.jpg", image_bytes(1000 + i), camera_id=f"{project}-c", captured_at=BEGIN + timedelta(seconds=i)
        )
        for i in range(30)
    ]
    await with_client(service, lambda client: client.labeling.import_images(project, images))
    labels = await with_client(service, lambda client: list(client.labeling.export(project)))
    assert len({each.split for each in labels}) == 1
    told = await with_client(
        service, lambda client: client.labeling.import_images(project, some(3, 2000, split="val", camera_id="x"))
    )
    assert told.images == 3
    labels = await with_client(service, lambda client: list(client.labeling.export(project)))
    assert {each.split for each in labels if each.camera_id == "x"} == {"val"}


@pytest.mark.parametrize(
    ("image", "reason", "said"),
    [
        (ImportImage("a.jpg", b""), "empty", "a.jpg: image has 0 bytes"),
        (ImportImage("a.txt", b"hello world, no image"), "not_an_image", "a.txt:"),
        (ImportImage("half.jpg", image_bytes(0)[:900]), "truncated", "half.jpg:"),
        (ImportImage("a.jpg", image_bytes(0), [box(left=float("nan"))]), "bad_argument", "a.jpg: annotation 1"),
        (ImportImage("a.jpg", image_bytes(0), [box(left=100)]), "bad_argument", "outside the upright image of 64x48"),
        (ImportImage("a.jpg", image_bytes(0), split="left"), "bad_argument", "split 'left' is not known"),
        (ImportImage("a.jpg", image_bytes(0), camera_id="a b"), "bad_argument", "camera 'a b' cannot be used"),
    ],
)
async def test_a_file_that_cannot_be_used_is_named_and_those_before_stay(image, reason, said, service, project):
    with pytest.raises(Refused) as refused:
        await with_client(service, lambda client: client.labeling.import_images(project, [image]))
    assert refused.value.reason == reason
    assert said in str(refused.value)
    images = [*some(70, 3000), image]
    with pytest.raises(Refused):
        await with_client(service, lambda client: client.labeling.import_images(project, images))
    tasks = await with_client(service, lambda client: client.labeling.tasks(project))
    assert tasks.counts["done"] >= 64


async def test_coco_goes_in_and_comes_out_without_loss(service, project, shared_data, tmp_path):
    source = shared_data / "labelled/coco_cc_mini/instances.json"
    answer = await cvops(service, "label", "import", str(source), "--project", project)
    assert answer == {"images": 13, "known": 0, "annotations": 93}
    assert (await cvops(service, "label", "import", str(source), "--project", project))["known"] == 13
    answer = await cvops(service, "label", "export", str(tmp_path / "out"), "--project", project)
    assert answer == {"images": 13, "annotations": 93}

    def content(file, folder: Path) -> dict[bytes, list]:
        return {
            (folder / image.file_name).read_bytes(): sorted(
                (box.id, box.class_name, box.xyxy, box.crowd, box.segmentation, box.extra) for box in image.boxes
            )
            for image in file.images
        }

    before = content(read_coco(source), source.parent / "images")
    after = read_coco(tmp_path / "out/instances.json")
    renumbered = content(after, tmp_path / "out/images")
    assert before.keys() == renumbered.keys()
    for image, boxes in before.items():
        assert sorted(each[1:3] + each[4:5] for each in boxes) == sorted(
            each[1:3] + each[4:5] for each in renumbered[image]
        )
    answer = await cvops(service, "label", "import", str(tmp_path / "out/instances.json"), "--project", f"{project}-b")
    assert (answer["images"], answer["annotations"]) == (13, 93)


async def test_yolo_goes_in_and_comes_out(service, project, shared_data, tmp_path):
    from tests.datasets.test_yolo import folder_of

    folder = folder_of(shared_data, tmp_path)
    answer = await cvops(service, "label", "import", str(folder), "--project", project, "--map", "fork=tool")
    assert answer["images"] == answer["annotations"] == 20
    answer = await cvops(service, "label", "export", str(tmp_path / "out"), "--project", project, "--format", "yolo")
    assert answer == {"images": 20, "annotations": 20, "left_out": 0, "reduced": 0}
    again = read_yolo(tmp_path / "out")
    assert again.classes == ("scissors", "tool")
    before = sorted(box.xyxy for image in read_yolo(folder).images for box in image.boxes)
    after = sorted(box.xyxy for image in again.images for box in image.boxes)
    np.testing.assert_allclose(after, before, atol=1e-3)
    assert "is not empty" in await cvops(service, "label", "export", str(tmp_path / "out"), "--project", project)
    assert "cannot be read" in await cvops(
        service, "label", "import", str(shared_data / "labelled/coco_cc_mini/instances.json"), "--images", str(tmp_path)
    )


async def test_a_project_is_applied_shown_and_compared(service, project, tmp_path):
    file = tmp_path / "project.yaml"
    file.write_text(f"project: {project}\nclasses: [car, van]\nedge_cases: {{budget_frames: 20}}\n")
    dry = await cvops(service, "apply", "-f", str(file), "--dry-run")
    assert dry == {"project": project, "revision": 0, "dry_run": True, "changes": [f"project {project} is new"]}
    assert project not in {each["project"] for each in await cvops(service, "project", "list")}
    assert (await cvops(service, "apply", "-f", str(file)))["revision"] == 1
    assert (await cvops(service, "apply", "-f", str(file)))["changes"] == []
    file.write_text(f"project: {project}\nclasses: [car, van]\ntraining: {{recipe: yolox}}\n")
    expected = ["edge_cases.budget_frames: 20 -> 100", "training.recipe: detector-tiny -> yolox"]
    assert (await cvops(service, "project", "diff", str(file)))["changes"] == expected
    assert (await cvops(service, "apply", "-f", str(file)))["revision"] == 2
    shown = await cvops(service, "project", "show", project)
    assert shown["training"]["recipe"] == "yolox"
    assert shown["loop"]["settle_s"] == 15
    from cvops_protos.v1.project_pb2 import Project

    told = await until(lambda: service.told("projects", Project, project), lambda found: len(found) == 2)
    assert [each.revision for each in told] == [1, 2]
    await with_client(
        service,
        lambda client: client.labeling.import_images(project, [ImportImage("a.jpg", image_bytes(1), [box("van")])]),
    )
    file.write_text(f"project: {project}\nclasses: [car]\n")
    assert "labels use 'van', which is not among car" in await cvops(service, "apply", "-f", str(file))
    file.write_text(f"project: {project}\nclases: [car]\n")
    assert "project.yaml, line 2: a project has no field 'clases': did you mean classes?" in await cvops(
        service, "apply", "-f", str(file)
    )
    assert "there is no project 'nobody'" in await cvops(service, "project", "show", "nobody")


async def test_datasets_are_released_and_an_unchanged_one_is_the_same(service, project):
    assert "has no label yet" in await cvops(service, "dataset", "release", "--project", project)
    await with_client(service, lambda client: client.labeling.import_images(project, some(9, split="train")))
    first = await cvops(service, "dataset", "release", "--project", project, "--reason", "to begin with")
    assert (first["images"], first["parent"]) == ({"train": 9}, "")
    assert await cvops(service, "dataset", "release", "--project", project) == first
    await with_client(service, lambda client: client.labeling.import_images(project, some(3, 50, split="test")))
    second = await cvops(service, "dataset", "release", "--project", project)
    assert (second["images"], second["parent"]) == ({"train": 9, "test": 3}, first["version"])
    versions = await cvops(service, "dataset", "list", "--project", project)
    assert [each["version"] for each in versions] == [second["version"], first["version"]]


async def test_frames_are_searched_tagged_saved_and_chosen(labeling, seen, project, tmp_path):
    from datetime import UTC, datetime

    begin = datetime.now(UTC) - timedelta(seconds=120)
    await labeling.feed(await seen.frames([f"{project}-1"], 60, begin=begin))
    await until(labeling.frames, lambda found: len(found) == 60)
    found = await cvops(labeling, "frames", "search", "--project", project, "--since", "1h", "--limit", "5")
    assert len(found) == 5
    ids = [each["frame_id"] for each in found]
    assert await cvops(labeling, "frames", "tag", *ids[:2], "--add", "odd") == {"changed": 2}
    tagged = await cvops(labeling, "frames", "search", "--project", project, "--tag", "odd")
    assert [each["frame_id"] for each in tagged] == ids[:2]
    saved = await cvops(labeling, "frames", "save", ids[0], "-o", str(tmp_path / "a.jpg"))
    assert (tmp_path / "a.jpg").stat().st_size == saved["bytes"]
    chosen = await cvops(labeling, "frames", "select", "--project", project, "--frames", "6")
    assert chosen["frames"] == 6 == sum(chosen["reasons"].values())
    listed = await cvops(labeling, "label", "tasks", "--project", project)
    assert listed["counts"]["open"] == 6
    assert "no duration" in await cvops(labeling, "frames", "search", "--since", "soon")
    assert "say what changes" in await cvops(labeling, "frames", "tag", ids[0])


async def test_a_platform_that_is_away_is_one_sentence(settings):
    environment = {"CVOPS_LABELING": "127.0.0.1:9", "CVOPS_KEY": "x"}
    result = await aside(lambda: CliRunner().invoke(main, ["label", "tasks"], env=environment))
    assert result.exit_code == 1
    assert "127.0.0.1:9 does not answer" in result.stderr
    result = await aside(lambda: CliRunner().invoke(main, ["project", "show", "x"], env=environment))
    assert result.exit_code == 1
    assert "127.0.0.1:9 does not answer" in result.stderr


async def test_an_annotator_may_not_import(service, project):
    stream = iter([pb.ImportImageRequest(project=project, image=image_bytes(0))])
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.stub.ImportImages(stream, metadata=service.annotator)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
