"""Class names from files."""

from pathlib import Path

import pytest

from cvops_bundles.labels import read_labels
from cvops_common.errors import BadBundle


def labels(tmp_path: Path, text: str) -> tuple[str, ...]:
    path = tmp_path / "labels.txt"
    path.write_text(text, "utf-8")
    return read_labels(path)


def test_real_label_files_give_one_name_per_class(shared_data: Path):
    coco = read_labels(shared_data / "models/coco_80.txt")
    imagenet = read_labels(shared_data / "models/imagenet_1000.csv")
    assert (len(coco), coco[0], coco[79]) == (80, "person", "toothbrush")
    assert (len(imagenet), imagenet[0]) == (1000, "tench, Tinca tinca")
    assert len(set(imagenet)) == 1000


@pytest.mark.parametrize(
    "text", ["cat\ndog\n", "\ufeffcat\r\ndog", "1,dog\n0,cat\n", "index,label\n0,cat\n1,dog\n\n", '0; "cat"\n1;dog']
)
def test_names_come_by_line_or_by_index(tmp_path: Path, text: str):
    assert labels(tmp_path, text) == ("cat", "dog")


def test_a_name_that_occurs_twice_gets_its_index(tmp_path: Path):
    assert labels(tmp_path, "crane\nship\ncrane") == ("crane (0)", "ship", "crane (2)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 is empty"),
        ("cat\n\ndog", "line 2 is empty"),
        ("1,cat\n2,dog", r"expected the indices 0..1 once each, but \[0\] are missing; number from 0"),
        ("0,cat\n0,dog", r"\[1\] are missing"),
    ],
)
def test_a_list_with_holes_is_refused(tmp_path: Path, text: str, message: str):
    with pytest.raises(BadBundle, match=message):
        labels(tmp_path, text)
