"""YOLO folders: read, written, and what they cannot carry is counted."""

import shutil

import numpy as np
import pytest
from PIL import Image

from cvops_common.errors import BadArgument
from cvops_datasets.coco import read_coco
from cvops_datasets.files import FileImage
from cvops_datasets.images import Box, Runs
from cvops_datasets.yolo import copy_from, read_yolo, upright_size, write_yolo


def folder_of(shared_data, tmp_path):
    """The published images and labels as a folder with data.yaml."""
    source, folder = shared_data / "labelled/fork_scissors", tmp_path / "in"
    shutil.copytree(source / "images", folder / "images")
    shutil.copytree(source / "labels", folder / "labels")
    names = (folder / "labels/classes.txt").read_text().split()
    (folder / "labels/classes.txt").unlink()
    (folder / "data.yaml").write_text(f"path: .\ntrain: images\nnames: {names}\n")
    return folder


def test_the_same_labels_in_yolo_and_coco_are_the_same_boxes(shared_data, tmp_path):
    yolo = read_yolo(folder_of(shared_data, tmp_path))
    coco = {
        each.file_name.rpartition("/")[2]: each
        for each in read_coco(shared_data / "labelled/fork_scissors/instances.json").images
    }
    assert len(yolo.images) == len(coco) == 20
    for image in yolo.images:
        other = coco[image.file_name.rpartition("/")[2]]
        assert (image.width, image.height) == (other.width, other.height)
        assert [box.class_name for box in image.boxes] == [box.class_name for box in other.boxes]
        np.testing.assert_allclose([box.xyxy for box in image.boxes], [box.xyxy for box in other.boxes], atol=0.05)


def test_a_written_folder_is_read_to_the_same(shared_data, tmp_path):
    folder = folder_of(shared_data, tmp_path)
    yolo = read_yolo(folder)
    sided = [
        FileImage(each.file_name, each.width, each.height, each.boxes, split=("train", "val")[i % 2])
        for i, each in enumerate(yolo.images)
    ]
    written = write_yolo(tmp_path / "out", sided, yolo.classes, copy_from(folder))
    assert (written.images, written.boxes, written.left_out, written.reduced) == (20, 20, 0, 0)
    again = read_yolo(tmp_path / "out" / "data.yaml")
    assert again.classes == yolo.classes
    assert sorted(each.split for each in again.images) == ["train"] * 10 + ["val"] * 10
    before = {each.file_name.replace("/", "_"): each for each in sided}
    for image in again.images:
        same = before[image.file_name.rpartition("/")[2]]
        assert image.split == same.split
        np.testing.assert_allclose([box.xyxy for box in image.boxes], [box.xyxy for box in same.boxes], atol=1e-4)


def test_what_the_format_cannot_carry_is_counted_and_outlines_survive(tmp_path):
    Image.new("RGB", (40, 20)).save(tmp_path / "a.png")
    outline = (4.0, 2.0, 20.0, 2.0, 20.0, 10.0)
    boxes = (
        Box("car", 4, 2, 16, 8, segmentation=(outline,)),
        Box("car", 4, 2, 16, 8, segmentation=Runs(40, 20, (0, 800))),
        Box("car", 4, 2, 16, 8, ignore=True),
        Box("van", 4, 2, 16, 8, crowd=True),
    )
    written = write_yolo(tmp_path / "out", [FileImage("a.png", 40, 20, boxes)], ["car", "van"], copy_from(tmp_path))
    assert (written.boxes, written.left_out, written.reduced) == (2, 2, 1)
    outlined, plain = read_yolo(tmp_path / "out").images[0].boxes
    np.testing.assert_allclose(outlined.segmentation, (outline,), atol=1e-5)
    assert outlined.xyxy == pytest.approx((4, 2, 20, 10))
    assert plain.xyxy == pytest.approx((4, 2, 20, 10))


def test_an_image_on_its_side_is_measured_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert upright_size(tmp_path / "a.jpg") == (20, 40)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2 .5 .5 .1 .1", "a.txt, line 1: class 2 is not among the 2"),
        ("0 .5 .5 .1", "expected class, centre x and y"),
        ("0 .5 .5 .1 nan", "expected class, centre x and y"),
        ("car .5 .5 .1 .1", "holds something that is no number"),
    ],
)
def test_a_broken_line_is_refused_with_its_place(line, said, tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (40, 20)).save(tmp_path / "images/a.png")
    (tmp_path / "labels/a.txt").write_text(line)
    (tmp_path / "data.yaml").write_text("train: images\nnames: [car, van]\n")
    with pytest.raises(BadArgument) as refused:
        read_yolo(tmp_path)
    assert said in str(refused.value)


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(BadArgument, match="expected a folder with data"):
        read_yolo(tmp_path)
    (tmp_path / "data.yaml").write_text("train: images\nnames: {1: car}\n")
    with pytest.raises(BadArgument, match="expected a list of classes"):
        read_yolo(tmp_path)
    (tmp_path / "data.yaml").write_text("train: nowhere\nnames: [car]\n")
    with pytest.raises(BadArgument, match="neither a folder nor a list"):
        read_yolo(tmp_path)
    with pytest.raises(BadArgument, match="is not empty"):
        write_yolo(tmp_path, [], ["car"], copy_from(tmp_path))
