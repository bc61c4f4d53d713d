"""`cvops model import`, up to the upload."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from cvops_bundles.bundle import Bundle, open_bundle
from cvops_bundles.cli import import_model


@dataclass
class Context:
    json: bool = False
    console: Console = field(default_factory=lambda: Console(stderr=True, width=200))


def call(*arguments: str | Path, as_json: bool = False) -> Result:
    return CliRunner().invoke(import_model, [str(argument) for argument in arguments], obj=Context(json=as_json))


@pytest.fixture(scope="module")
def digits(shared_data: Path) -> tuple[str | Path, ...]:
    classes = ",".join("0123456789")
    return shared_data / "models/mnist.onnx", "--name", "classifier", "--format", "classifier", "--classes", classes


def test_output_writes_a_bundle_that_opens(digits: tuple, mnist: Bundle, tmp_path: Path):
    result = call(*digits, "--output", tmp_path / "digits.zip")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(tmp_path / "digits.zip")
    assert open_bundle(tmp_path / "digits.zip").sha256 == mnist.sha256


def test_json_tells_the_spec_the_proof_and_the_hash(digits: tuple, mnist: Bundle, tmp_path: Path):
    result = call(*digits, "--output", tmp_path, as_json=True)
    answer = json.loads(result.stdout)
    assert (answer["sha256"], answer["bytes"], answer["parity"]["passed"]) == (mnist.sha256, mnist.size_bytes, True)
    assert answer["spec"]["input"]["width"] == 28
    assert Path(answer["path"]).is_file()


def test_a_dry_run_shows_what_was_understood_and_keeps_nothing(shared_data: Path, tmp_path: Path):
    models = shared_data / "models"
    options = ("--name", "road", "--format", "yolox", "--labels", models / "coco_80.txt", "--dry-run")
    result = call(models / "yolox_nano.onnx", *options, "--output", tmp_path)
    assert result.exit_code == 0, result.output
    for words in ("416x416 px", "letterbox_top_left, linear", "channels bgr", "80: person, bicycle", "parity holds"):
        assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_options_reach_the_bundle(digits: tuple, tmp_path: Path):
    more = ("--scale", "1/255", "--mean", "0.5", "--std", "0.25", "--resize", "stretch", "--interpolation", "linear")
    result = call(*digits, *more, "--embedding", "none", "--version-note", "scaled", "--output", tmp_path / "b.zip")
    assert result.exit_code == 0, result.output
    spec = open_bundle(tmp_path / "b.zip").spec
    words = spec.source.preprocessing
    assert (words["scale"], words["mean"], words["std"]) == ("0.00392157", "0.5", "0.25")
    assert (spec.input.resize.rule, spec.input.resize.interpolation) == ("stretch", "linear")
    assert (spec.embedding, spec.note) == (None, "scaled")


def test_a_file_that_cannot_be_used_fails_with_the_reason(shared_data: Path, tmp_path: Path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes((shared_data / "models/mnist.onnx").read_bytes()[:9000])
    result = call(broken, "--name", "x", "--format", "classifier", "--classes", "a,b", "--dry-run")
    assert result.exit_code == 1
    assert "broken.onnx: not an ONNX file, or truncated" in result.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "give the class names"),
        (("--classes", "a,b", "--scale", "1,2"), "--scale is one number"),
        (("--classes", "a,b", "--size", "640"), "expected width and height in px such as 640x480"),
        (("--classes", "a,b", "--mean", "x"), "expected numbers such as 1/255"),
    ],
)
def test_wrong_use_exits_with_2_and_says_what_is_right(shared_data: Path, more: tuple, message: str):
    result = call(shared_data / "models/mnist.onnx", "--name", "x", "--format", "classifier", *more)
    assert result.exit_code == 2
    assert message in result.stderr


def test_the_help_teaches_by_examples():
    result = call("--help")
    assert "cvops model import yolox_nano.onnx --name road --format yolox --labels coco.txt" in result.stdout
    assert "[yolox|classifier|decoded]" in result.stdout
