"""The simulator as a fleet of real cameras: pushed, predicted, and scored against its own truth."""

import json
import signal
import time
from pathlib import Path

from cvops_sim.truth_file import read_truth
from tests.e2e.whole_platform import Platform

SCENARIO = """\
duration: 10s
fps: 5
hour: 17.4
fleet: [{site: simulated, kind: urban, cameras: 2, firmware: "3.1"}]
effects: [{effect: dropped, where: {camera: simulated-2}, start: 2s, magnitude: 0.5}]
"""


def test_every_frame_of_a_scenario_is_matched_with_its_truth(
    platform: Platform, shared_data: Path, tmp_path: Path
) -> None:
    models = shared_data / "models"
    labels = str(models / "coco_80.txt")
    onnx = str(models / "yolox_nano.onnx")
    platform.run("model", "import", onnx, "--name", "fleet", "--format", "yolox", "--labels", labels)
    platform.run("model", "release", "fleet", "--slot", "fleet", "--selector", "site=simulated")
    scenario, truth, said = tmp_path / "short.yaml", tmp_path / "truth.jsonl", tmp_path / "said.jsonl"
    scenario.write_text(SCENARIO)

    played = platform.json("sim", "run", str(scenario), "--truth", str(truth), "--fast")
    frames = {(each.camera_id, each.captured_at_ns) for each in read_truth(truth)}
    assert played["captured"] == played["acknowledged"] == len(frames)
    assert 60 < len(frames) < 100  # some are lost on purpose
    camera = platform.json("camera", "get", "simulated-2")
    assert (camera["site"], camera["firmware"], camera["tags"]["kind"]) == ("simulated", "3.1", "urban")

    deadline = time.monotonic() + 60
    lines: list[str] = []
    while len(lines) < len(frames) and time.monotonic() < deadline:
        tail = platform.run("tail", "predictions", "--from-beginning", "--until-end", "--json").stdout
        ours = ('"camera_id": "simulated-', '"name": "fleet"')  # other models may serve these cameras too
        lines = [line for line in tail.split("\n") if all(words in line for words in ours)]
    said.write_text("\n".join(lines))
    rows = platform.json("sim", "score", str(truth), str(said), "--classes", labels, "--map", "person=pedestrian")
    whole = next(row for row in rows if row["camera_id"] == "all" and row["class_name"] == "all")
    assert whole["score"]["frames"] == len(frames)
    assert whole["score"]["objects"] > 30
    assert whole["score"]["recall"] > 0.1  # a model of real photographs knows simulated cars


def test_a_fleet_that_is_ended_has_an_answer_to_every_frame(platform: Platform, tmp_path: Path) -> None:
    scenario, truth = tmp_path / "endless.yaml", tmp_path / "truth.jsonl"
    scenario.write_text("duration: 1h\nfps: 5\nfleet: [{site: endless, kind: rural, cameras: 2}]\n")
    fleet = platform.start_command("sim", "run", str(scenario), "--truth", str(truth), "--json")
    deadline = time.monotonic() + 60
    while not truth.exists() or truth.read_text().count("\n") < 10:
        assert fleet.poll() is None and time.monotonic() < deadline, platform.logs()
        time.sleep(0.1)
    fleet.send_signal(signal.SIGTERM)
    out, err = fleet.communicate(timeout=30)
    assert fleet.returncode == 0, out + err
    played = json.loads(out)
    assert played["captured"] == played["acknowledged"] >= 10
    for camera in ("endless-1", "endless-2"):
        ledger = platform.json("camera", "status", camera)["ledger"]
        assert ledger["captured"] == ledger["stored"]
