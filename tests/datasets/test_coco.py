"""COCO: what is read and written is the same file, whoever wrote it."""

import json
from pathlib import Path

import pytest

from cvops_common.errors import BadArgument
from cvops_datasets.coco import read_coco, write_coco
from cvops_datasets.files import FileImage, numbered
from cvops_datasets.images import Box, Runs

FILES = (
    "labelled/coco_cc_mini/instances.json",
    "labelled/fork_scissors/instances.json",
    "conformance/metrics_coco/sampled_gts_bbox_area.json",
    "conformance/datumaro/coco_dataset/coco_instances/annotations/instances_train.json",
    "conformance/datumaro/coco_dataset/coco_instances/annotations/instances_val.json",
)


def by_id(path: Path) -> dict:
    """A file with its lists by id: their order means nothing."""
    root = json.loads(path.read_text())
    return root | {name: {each["id"]: each for each in root[name]} for name in ("images", "annotations", "categories")}


@pytest.mark.parametrize("name", FILES)
def test_files_of_others_go_through_without_loss(name, shared_data, tmp_path):
    file = read_coco(shared_data / name)
    count = write_coco(tmp_path / "again.json", file.images, file.categories, extra=file.extra, keep_ids=True)
    before, after = by_id(shared_data / name), by_id(tmp_path / "again.json")
    assert count == len(before["annotations"]) > 0
    assert before == after


def test_what_coco_knows_nothing_of_comes_back_too(tmp_path):
    source = {
        "info": {"year": 2026},
        "licenses": [{"id": 3, "name": "free"}],
        "videos": [{"id": 1}],
        "images": [{"id": 9, "file_name": "a/ü.jpg", "width": 20, "height": 10, "license": 3, "date": None}],
        "categories": [{"id": 40, "name": "car", "supercategory": "thing", "keypoints": ["a"]}],
        "annotations": [
            {"id": 7, "image_id": 9, "category_id": 40, "bbox": [1, 2, 3.5, 4], "iscrowd": 0, "area": 11, "score": 0.5},
            {"id": 8, "image_id": 9, "category_id": 40, "bbox": [0, 0, 2, 2], "attributes": {"hidden": True, "n": 2}},
            {"id": 2, "image_id": 9, "category_id": 40, "bbox": [0, 0, 2, 2], "attributes": {"of": "x"}, "track_id": 5},
            {
                "id": 3,
                "image_id": 9,
                "category_id": 40,
                "bbox": [0, 0, 9, 9],
                "iscrowd": 1,
                "segmentation": {"size": [10, 20], "counts": [0, 9, 191]},
            },
            {"id": 4, "image_id": 9, "category_id": 40, "segmentation": [[0, 0, 4, 0, 4, 4], [5, 5, 6, 5, 6, 6]]},
            {"id": 5, "image_id": 9, "category_id": 40, "bbox": [1, 1, 1, 1], "ignore": 1, "segmentation": []},
        ],
    }
    (tmp_path / "in.json").write_text(json.dumps(source))
    file = read_coco(tmp_path / "in.json")
    write_coco(tmp_path / "out.json", file.images, file.categories, extra=file.extra, keep_ids=True)
    assert by_id(tmp_path / "out.json") == by_id(tmp_path / "in.json")
    first, hidden, tracked, crowd, outlined, ignored = file.images[0].boxes
    assert first.xyxy == (1, 2, 4.5, 6)
    assert hidden.attributes == (("hidden", "true"), ("n", "2"))
    assert (tracked.attributes, tracked.track_id) == ((("of", "x"),), 5)
    assert crowd.crowd and not crowd.counts and crowd.segmentation == Runs(20, 10, (0, 9, 191))
    assert outlined.xyxy == (0, 0, 6, 6)
    assert ignored.ignore and not ignored.counts


def test_packed_run_lengths_are_those_of_pycocotools(tmp_path):
    import numpy as np
    from pycocotools import mask as masks

    from cvops_datasets.run_lengths import decoded, encoded

    rng = np.random.default_rng(2)
    for share in (0.0, 0.02, 0.5, 0.98, 1.0):
        picture = (rng.random((37, 53)) < share).astype(np.uint8)
        picture[5:30, 10:40] |= share > 0.4
        packed = masks.encode(np.asfortranarray(picture))["counts"].decode()
        counts = decoded(packed)
        assert sum(counts) == picture.size
        assert sum(counts[1::2]) == picture.sum()
        flat = np.repeat(np.arange(len(counts)) % 2, counts)
        assert (flat.reshape(picture.shape, order="F") == picture).all()
        assert encoded(counts) == packed


def test_pycocotools_reads_what_is_written(tmp_path, shared_data, capsys):
    from pycocotools import mask as masks
    from pycocotools.coco import COCO

    images = [
        FileImage("a.jpg", 64, 48, (Box("car", 1, 2, 3, 4, id="x", attributes=(("a", "b"),)),)),
        FileImage("b.jpg", 64, 48, (Box("van", 1, 2, 9, 4, segmentation=((1, 2, 10, 2, 10, 6),)),)),
        FileImage("c.jpg", 64, 48),
    ]
    assert write_coco(tmp_path / "out.json", iter(images), numbered(["car", "van"])) == 2
    read = COCO(str(tmp_path / "out.json"))
    capsys.readouterr()
    assert [each["file_name"] for each in read.loadImgs([1, 2, 3])] == ["a.jpg", "b.jpg", "c.jpg"]
    assert masks.area(read.annToRLE(read.loadAnns([2])[0])) == pytest.approx(18, abs=6)
    assert read.loadAnns([2])[0]["area"] == pytest.approx(18)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda root: root["annotations"][0].update(category_id=77), "annotation 1 is of category 77"),
        (lambda root: root["annotations"][0].update(image_id=77), "annotation 1 is of image 77"),
        (lambda root: root["annotations"][0].update(bbox=[1, 2, 3]), "bbox is [1, 2, 3], expected 4 numbers"),
        (lambda root: root["annotations"][0].update(bbox=[1, 2, 3, float("nan")]), "bbox is [1, 2, 3, NaN]"),
        (lambda root: root["annotations"][0].pop("bbox"), "annotation 1 has neither bbox nor polygons"),
        (lambda root: root["annotations"][0].update(segmentation={"size": [1, 2], "counts": [1]}), "sum to 1"),
        (
            lambda root: root["annotations"][0].update(segmentation={"size": [1, 2], "counts": "\x10"}),
            "neither polygons",
        ),
        (lambda root: root["images"].append(root["images"][0]), "two images have one id"),
        (lambda root: root["images"][0].pop("width"), "has no 'width'"),
        (lambda root: root["images"][0].update(width="wide"), "width is 'wide', expected a whole number"),
        (lambda root: root.pop("categories"), "has no list of categories"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(change, said, tmp_path):
    root = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 10}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
    }
    change(root)
    (tmp_path / "in.json").write_text(json.dumps(root))
    with pytest.raises(BadArgument) as refused:
        read_coco(tmp_path / "in.json")
    assert said in str(refused.value)
    assert str(tmp_path / "in.json") in str(refused.value)


def test_a_file_that_fails_is_not_half_there(tmp_path):
    with pytest.raises(BadArgument, match="class 'tram' has no category"):
        write_coco(tmp_path / "out.json", [FileImage("a", 9, 9, (Box("tram", 0, 0, 1, 1),))], numbered(["car"]))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "no.json").write_text("[")
    with pytest.raises(BadArgument, match="is no JSON"):
        read_coco(tmp_path / "no.json")
