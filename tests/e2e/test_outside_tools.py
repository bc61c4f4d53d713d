"""Tools of others, unmodified: kcat reads the bus, tritonclient asks for predictions."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.whole_platform import Platform


@pytest.fixture(scope="module")
def digits(platform: Platform, shared_data: Path) -> str:
    """A released classifier that has said something about one image."""
    model = str(shared_data / "models" / "mnist.onnx")
    classes = ",".join(str(digit) for digit in range(10))
    platform.run("model", "import", model, "--name", "digits", "--format", "classifier", "--classes", classes)
    platform.run("model", "release", "digits", "--slot", "digits", "--selector", "camera_id=digits-*")
    image = min((shared_data / "labelled" / "digits_cls").rglob("*.png"))
    platform.run("predict", str(image), "--model", "digits")
    return "digits"


def test_kcat_reads_predictions_with_cloudevents_headers(platform: Platform, digits: str) -> None:
    kcat = shutil.which("kcat")
    if kcat is None:
        pytest.skip("kcat is not installed: apt-get install kcat")
    done = subprocess.run(
        [kcat, "-b", platform.connection["kafka"], "-C", "-t", "predictions", "-o", "beginning", "-e", "-q", "-J"],
        capture_output=True, text=True, errors="replace", timeout=60, check=True,
    )  # fmt: skip
    records = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert records
    for record in records:
        headers = dict(zip(record["headers"][::2], record["headers"][1::2], strict=True))
        assert headers["ce_type"] == "cvops.prediction.v1"
        assert headers["ce_specversion"] == "1.0"
        assert headers["content-type"] == "application/protobuf"
        assert headers["ce_id"]
        assert headers["ce_source"] == "/cvops/inference"
        assert headers["traceparent"].startswith("00-")


def test_tritonclient_infers_and_equals_onnxruntime(platform: Platform, digits: str, shared_data: Path) -> None:
    # In a process of its own: its generated protobufs define the same names as ours.
    script = Path(__file__).with_name("triton_peer.py")
    images = sorted((shared_data / "labelled" / "digits_cls").rglob("*.png"))[::30]
    done = subprocess.run(
        [sys.executable, str(script), platform.connection["inference"]["grpc"], digits,
         str(shared_data / "models" / "mnist.onnx"), *map(str, images)],
        env=platform.environment | {"CVOPS_TEST_KEY": platform.key},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["worst"] < 1e-5


def test_app_calls_are_published_as_predictions(platform: Platform, digits: str) -> None:
    published = [r["event"] for r in platform.tail("predictions") if r["event"].get("source") == "SOURCE_RPC"]
    assert published
    assert all(p["where"]["uri"].startswith("rpc/") for p in published)
