"""The command of the demo itself; the whole story is measured by `python -m tests.bench loop`."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest


def own_processes(data_dir: Path) -> list[str]:
    """Command lines of what runs for a data folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            if process.environ().get("CVOPS_DATA_DIR") == str(data_dir) or str(data_dir) in " ".join(process.cmdline()):
                found.append(" ".join(process.info["cmdline"] or []))
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_ended_leaves_no_process_behind(tmp_path: Path, number: signal.Signals) -> None:
    data_dir, said = tmp_path / "data", tmp_path / "said.txt"
    with said.open("wb") as output:
        demo = subprocess.Popen(
            [sys.executable, "-m", "cvops", "demo", "--data-dir", str(data_dir), "--report", str(tmp_path / "r.html")],
            stdout=output,
            stderr=output,
            env=os.environ | {"COLUMNS": "120"},
        )
    try:
        deadline = time.monotonic() + 90
        while b"ready in" not in said.read_bytes():
            assert demo.poll() is None and time.monotonic() < deadline, said.read_text()
            time.sleep(0.1)
        assert len(own_processes(data_dir)) > 6
        demo.send_signal(number)
        assert demo.wait(60) in (128 + number, -number)
        deadline = time.monotonic() + 15
        while left := own_processes(data_dir):
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
    finally:
        demo.kill()
        demo.wait()
