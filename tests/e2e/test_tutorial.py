"""The commands of the tutorial, as they stand there, on real pictures."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.whole_platform import REPO, Platform, running_platform

TUTORIAL = REPO / "docs" / "tutorial.md"


def test_every_command_of_the_tutorial_does_what_it_says(shared_data: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", TUTORIAL.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 8
    with running_platform(tmp_path / "data") as platform:
        out = shell(platform, "\n".join(blocks), shared_data, tmp_path)
        predictions = (tmp_path / "predictions.jsonl").read_text().splitlines()
        assert len(predictions) == 284
        assert (tmp_path / "boxes.png").stat().st_size > 10_000
        assert (tmp_path / "mine.png").stat().st_size > 10_000
        (run,) = platform.json("runs", "list", "--project", "tools")
        assert run["state"] == "STATE_PASSED"
        assert run["metrics"]["new.map50"] >= run["base_metrics"]["new.map50"]
        (served,) = platform.json("model", "served", "table", "--project", "tools")
        assert (served["model"], served["version"]) == ("tools", "1")
        assert "12 frames" in out or "12 of" in out


def shell(platform: Platform, script: str, data: Path, folder: Path) -> str:
    """Runs a script with bash; it must go well to its end."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-x", "-c", script],
        env=platform.environment | {"PATH": path, "DATA": str(data)},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=350,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{platform.logs()}"
    return done.stdout
