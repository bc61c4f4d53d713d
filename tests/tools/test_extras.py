"""The base install is the client and the command line: nothing heavy is imported by it."""

import importlib.util
import json
import subprocess
import sys

import pytest

HEAVY = ("onnxruntime", "onnx", "torch", "aiokafka", "faststream", "cv2", "av", "pymongo", "obstore", "uvloop")


@pytest.mark.parametrize("module", ["cvops", "cvops.cli.main"])
def test_the_client_and_the_command_line_import_nothing_heavy(module: str):
    assert all(importlib.util.find_spec(name) for name in HEAVY if name != "torch")  # else this would prove nothing
    code = f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert set(HEAVY) & set(json.loads(done.stdout)) == set()
