"""Dataset versions through the running service: they never change, and none is told of that is not whole."""

import hashlib
from pathlib import Path

import grpc
import pytest

from cvops.labeling import ImportImage
from cvops_common.objects import Objects
from cvops_common.projects import parse
from cvops_datasets.release import read_release
from cvops_labeling.assets import asset_uri
from cvops_protos.v1 import labeling_pb2 as pb
from tests.labeling.conftest import Running, box, image_bytes
from tests.labeling.test_imports import some, with_client
from tests.labeling.test_labels import refusal, some_tasks

pytestmark = pytest.mark.engines


async def release(labeling: Running, project: str) -> pb.DatasetReleased:
    return await labeling.call("ReleaseDataset", pb.ReleaseDatasetRequest(project=project))


async def stored(labeling: Running, project: str) -> dict[str, bytes]:
    """Every file of the project's datasets."""
    objects = Objects(labeling.settings.objects)
    return {info.uri: await objects.get(info.uri) for info in await objects.list(f"datasets/{project}")}


async def test_a_version_reads_the_same_though_labels_and_tags_changed_since(labeling, seen, project):
    tasks = await some_tasks(labeling, seen, project)
    for task in tasks:
        await labeling.label(task, [box("car")])
    first = await release(labeling, project)
    objects, before = Objects(labeling.settings.objects), await stored(labeling, project)
    read = await read_release(objects, first.manifest_uri, first.manifest_sha256)
    frame_ids = [task.frame_id for task in tasks]
    await labeling.call("TagFrames", pb.TagFramesRequest(frame_ids=frame_ids, add=["night"]), by="annotator")
    assert await release(labeling, project) == first
    for task in tasks:
        await labeling.label(task, [box("van")] * 2, revision=1)
    second = await release(labeling, project)
    assert (second.version != first.version, second.parent) == (True, first.version)
    after = await stored(labeling, project)
    assert {uri: after[uri] for uri in before} == before
    assert await read_release(objects, first.manifest_uri, first.manifest_sha256) == read
    assert {each.class_name for image in read.images for each in image.boxes} == {"car"}


async def test_a_class_that_nothing_is_labelled_with_is_a_class_all_the_same(service, project):
    applied = parse(f"project: {project}\nclasses: [tram, car]\n", "p")
    await service.call("ApplyProject", pb.ApplyProjectRequest(project=applied))
    await with_client(service, lambda client: client.labeling.import_images(project, some(6)))
    released = await release(service, project)
    objects = Objects(service.settings.objects)
    found = await read_release(objects, released.manifest_uri, released.manifest_sha256)
    assert found.manifest.classes == ("tram", "car")


async def test_a_store_that_cannot_be_written_is_told_and_no_version_is(service, project):
    await with_client(service, lambda client: client.labeling.import_images(project, some(6)))
    folder = Path(service.settings.objects.removeprefix("file://")) / "datasets"
    folder.mkdir(exist_ok=True)
    (folder / project).write_text("a file where a folder is needed")
    code, said = await refusal(release(service, project))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert f"object store did not serve datasets/{project}/" in said
    assert (await service.call("ListDatasets", pb.ListDatasetsRequest(project=project))).datasets == []
    assert await service.told("dataset-released", pb.DatasetReleased, f"{project}/{project}") == []
    (folder / project).unlink()
    released = await release(service, project)
    listed = await service.call("ListDatasets", pb.ListDatasetsRequest(project=project))
    assert [each.version for each in listed.datasets] == [released.version]


async def test_an_image_that_was_changed_in_the_store_is_given_to_nobody(service, project):
    image = image_bytes(77)
    sha256 = hashlib.sha256(image).hexdigest()
    await with_client(
        service, lambda client: client.labeling.import_images(project, [ImportImage("a.jpg", image, [box()])])
    )
    await Objects(service.settings.objects).put(asset_uri(sha256), image[:-9])
    code, said = await refusal(service.call("GetAsset", pb.GetAssetRequest(sha256=sha256)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert f"asset {sha256} is damaged" in said
    await Objects(service.settings.objects).put(asset_uri(sha256), image)
    assert (await service.call("GetAsset", pb.GetAssetRequest(sha256=sha256))).image == image
