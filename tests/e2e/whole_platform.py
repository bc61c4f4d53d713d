"""A whole platform for tests: `cvops up` in its own process, driven by the command line as a user would."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from cvops_local.ports import taken

CVOPS = (sys.executable, "-m", "cvops")
REPO = Path(__file__).resolve().parents[2]
REFERENCE_DATA = Path(os.environ.get("CVOPS_SHARED_DATA") or REPO.parent / "shared" / "data")


class Platform:
    """`cvops up` on a data folder of its own.

    Attributes:
        data_dir: the data folder.
    """

    def __init__(self, data_dir: Path, **settings: str) -> None:
        """`settings` are for the services, e.g. otlp="http://..."."""
        self.data_dir = data_dir
        self._settings = {f"CVOPS_{name.upper()}": value for name, value in settings.items()}
        self._port_base = _free_port_base()
        self._up: subprocess.Popen[bytes] | None = None
        self._commands: list[subprocess.Popen[str]] = []

    # -- life --------------------------------------------------------------------------------------------------

    def start(self, wait_s: float = 90) -> float:
        """Starts everything and waits until it is ready; gives the seconds it took."""
        began = time.monotonic()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "up.log").open("ab") as log:
            self._up = subprocess.Popen(
                [*CVOPS, "up", "--port-base", str(self._port_base)],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        ready = self.run("status", "--wait", str(wait_s), check=False)
        if ready.returncode != 0:
            raise AssertionError(f"not ready:\n{ready.stdout}\n{ready.stderr}\n{self.logs()}")
        return time.monotonic() - began

    def stop(self) -> int:
        """Stops everything as Ctrl-C does; gives the exit status."""
        assert self._up is not None
        self._up.send_signal(signal.SIGINT)
        return self._up.wait(60)

    def kill_everything(self) -> None:
        """kill -9 of the supervisor and of all its children."""
        assert self._up is not None
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self._up.pid).children(recursive=True)
            for process in (psutil.Process(self._up.pid), *children):
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(children, timeout=20)
        self._up.wait(20)

    def kill(self, name: str) -> None:
        """kill -9 of one process by its name in `cvops status`."""
        os.kill(self.pid(name), signal.SIGKILL)

    def close(self) -> None:
        """Leaves nothing behind."""
        if self._up is not None and self._up.poll() is None:
            self.kill_everything()
        for command in self._commands:
            command.kill()
            command.communicate()

    # -- looking -----------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """For child processes: this platform and no other."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("CVOPS_") or k == "CVOPS_CACHE_DIR"}
        if objects := os.environ.get("CVOPS_TEST_OBJECTS"):
            kept["CVOPS_OBJECTS"] = f"{objects.rstrip('/')}/{self._port_base}"
        return kept | self._settings | {"CVOPS_DATA_DIR": str(self.data_dir)}

    @property
    def connection(self) -> dict[str, Any]:
        """The connection file."""
        found: dict[str, Any] = json.loads((self.data_dir / "connection.json").read_text())
        return found

    @property
    def key(self) -> str:
        """The local key in clear."""
        return (self.data_dir / "keys" / "local.key").read_text().strip()

    def pid(self, name: str) -> int:
        """Process id of one process."""
        for process in self.json("status", check=False)["processes"]:
            if process["name"] == name and process["pid"]:
                return int(process["pid"])
        raise AssertionError(f"no process {name}")

    def logs(self, last: int = 3000) -> str:
        """The end of every log file."""
        files = sorted([*self.data_dir.glob("logs/*.log"), self.data_dir / "up.log"])
        return "\n".join(f"--- {f.name}\n{f.read_text(errors='replace')[-last:]}" for f in files if f.exists())

    # -- commands ----------------------------------------------------------------------------------------------

    def run(
        self, *arguments: str, check: bool = True, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs one `cvops` command."""
        done = subprocess.run(
            [*CVOPS, *arguments],
            env=self.environment | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"cvops {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def json(self, *arguments: str, check: bool = True) -> Any:
        """What a command prints with --json."""
        return json.loads(self.run(*arguments, "--json", check=check).stdout)

    def tail(self, topic: str, *arguments: str) -> list[dict[str, Any]]:
        """All records of a topic, as `cvops tail --json` prints them."""
        done = self.run("tail", topic, "--from-beginning", "--until-end", "--json", *arguments)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def serve_yolox(self, reference_data: Path) -> None:
        """Imports YOLOX-nano and makes it the champion of every camera."""
        models = reference_data / "models"
        labels = str(models / "coco_80.txt")
        onnx = str(models / "yolox_nano.onnx")
        self.run("model", "import", onnx, "--name", "coco", "--format", "yolox", "--labels", labels)
        self.run("model", "release", "coco")

    def metric(self, service: str, name: str) -> float:
        """Sum over all labels of a metric of a service."""
        with urllib.request.urlopen(f"{self.connection[service]['http']}/metrics") as response:
            lines = response.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}[{{ ]", line))

    def start_command(self, *arguments: str) -> subprocess.Popen[str]:
        """A `cvops` command in the background, until the platform is closed at the latest."""
        command = subprocess.Popen(
            [*CVOPS, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._commands.append(command)
        return command


def _free_port_base() -> int:
    """A port base with nothing listening above it; two runs at once seldom choose the same."""
    bases = range(20_000 + os.getpid() % 100 * 100, 60_000, 200)
    return next(base for base in bases if not taken(range(base, base + 100)))


@contextmanager
def running_platform(folder: Path, **settings: str) -> Iterator[Platform]:
    """A started platform; everything is gone at the end."""
    platform = Platform(folder, **settings)
    try:
        platform.start()
        yield platform
    finally:
        platform.close()
