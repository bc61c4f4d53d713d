"""Annotations and objects are the same in two forms."""

from dataclasses import replace

import numpy as np

from cvops_datasets.annotations import annotation_of, box_of, class_of, image_of, mask_edges
from cvops_datasets.images import Runs
from cvops_protos.v1.labeling_pb2 import Annotation, Label
from tests.datasets.conftest import some_images


def test_an_object_survives_the_way_to_the_platform_and_back():
    boxes = [replace(box, attributes=tuple(sorted(box.attributes))) for image in some_images(30) for box in image.boxes]
    assert len({type(box.segmentation) for box in boxes}) == 3
    for box in boxes:
        sent = Annotation.FromString(annotation_of(box).SerializeToString())
        assert box_of(sent) == box


def test_the_box_of_a_mask_holds_its_pixels_and_no_more():
    rng = np.random.default_rng(1)
    for _ in range(50):
        picture = np.zeros((17, 23), np.uint8)
        top, left = int(rng.integers(0, 12)), int(rng.integers(0, 16))
        picture[top : top + int(rng.integers(1, 6)), left : left + int(rng.integers(1, 8))] = 1
        flat = picture.reshape(-1, order="F")
        changes = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
        counts = np.diff(np.concatenate([[0], changes]))
        rows, columns = np.nonzero(picture)
        expected = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert mask_edges(Runs(23, 17, tuple(int(each) for each in counts))) == expected


def test_a_polygon_has_the_box_around_it_and_a_point_has_none():
    polygon = Annotation(class_name="car", polygon=Annotation.Polygon(xy=[1, 2, 5, 2, 3, 9]))
    found = box_of(polygon)
    assert found is not None and found.xyxy == (1, 2, 5, 9)
    assert box_of(Annotation(class_name="car", point=Annotation.Point(x=1, y=2))) is None


def test_a_label_becomes_an_image_with_its_class_and_slices():
    label = Label(
        frame_id="f", width=10, height=5, split="val", annotations=[Annotation(class_name="rain")], revision=3
    )
    label.reason = "random"
    image = image_of(label, ["b", "a"])
    assert (image.class_name, image.boxes, image.slices) == ("rain", (), ("a", "b"))
    assert (image.split, image.revision, image.orientation, image.reason) == ("val", 3, 1, "random")
    assert class_of([]) == ""
