"""The commands, as one types them."""

import json
from pathlib import Path

import av
import cv2
import pytest
from click.testing import CliRunner, Result

from cvops.cli.main import main
from cvops_sim.truth_file import read_truth

SMALL = """\
duration: 2s
fps: 5
fleet: [{site: gate, kind: suburb, cameras: 2, resolution: 320x180}]
effects: [{effect: squeeze, where: {camera: gate-2}, start: 1s}]
"""


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return str(path)


def cvops(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize("name", ["run", "preview", "export", "score", "effects"])
def test_every_command_explains_itself(name: str) -> None:
    done = cvops("sim", name, "--help")
    assert done.exit_code == 0
    assert len(done.output.split()) > 15


def test_an_export_has_every_frame_with_its_truth(scenario: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert cvops("sim", "export", scenario, str(folder)).exit_code == 0
    truths = list(read_truth(folder / "truth.jsonl"))
    assert [(truth.camera_id, truth.sequence) for truth in truths] == [
        (f"gate-{c}", n) for c in (1, 2) for n in range(10)
    ]
    for name, frames, width in (("gate-1.mp4", 10, 320), ("gate-2.mp4", 5, 320), ("gate-2-2.mp4", 5, 240)):
        with av.open(str(folder / name)) as container:
            decoded = list(container.decode(video=0))
            assert (len(decoded), decoded[0].width) == (frames, width)
            assert float(decoded[1].time - decoded[0].time) == pytest.approx(0.2, abs=1e-3)
    assert len(json.loads((folder / "coco.json").read_text())["images"]) == 20


def test_an_export_of_images_has_the_files_that_its_coco_names(scenario: str, tmp_path: Path) -> None:
    assert cvops("sim", "export", scenario, str(tmp_path / "out"), "--format", "images").exit_code == 0
    for image in json.loads((tmp_path / "out" / "coco.json").read_text())["images"]:
        found = cv2.imread(str(tmp_path / "out" / image["file_name"]))
        assert (found.shape[1], found.shape[0]) == (image["width"], image["height"])


def test_a_preview_is_a_picture_of_all_cameras(scenario: str, tmp_path: Path) -> None:
    picture = tmp_path / "sheet.png"
    assert cvops("sim", "preview", scenario, "--boxes", "--output", str(picture)).exit_code == 0
    assert cv2.imread(str(picture)).std() > 20
    refused = cvops("sim", "preview", scenario, "--output", str(tmp_path / "sheet.txt"))
    assert refused.exit_code == 1
    assert ".png" in refused.output


def test_a_scenario_that_makes_no_sense_ends_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(SMALL.replace("squeeze", "squash"))
    done = cvops("sim", "export", str(path), str(tmp_path / "out"))
    assert done.exit_code == 1
    assert "bad.yaml, line 4" in done.output
    assert "Traceback" not in done.output


def test_predictions_of_another_run_are_told_so(scenario: str, tmp_path: Path) -> None:
    cvops("sim", "export", scenario, str(tmp_path / "out"))
    (tmp_path / "said.jsonl").write_text("")
    done = cvops("sim", "score", str(tmp_path / "out" / "truth.jsonl"), str(tmp_path / "said.jsonl"))
    assert done.exit_code == 1
    assert "same camera ids and capture times" in " ".join(done.output.split())
