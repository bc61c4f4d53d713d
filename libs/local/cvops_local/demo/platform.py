"""A platform of the demo's own, beside whatever runs on this machine."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cvops_common.errors import Unavailable
from cvops_local.child import Child
from cvops_local.folder import DataDir
from cvops_local.ports import taken
from cvops_local.status import wait_ready

_READY_S = 120.0
_STOP_S = 60.0
_COMPANION_STOP_S = 15.0
# Time runs fast in the demo: a reference of three minutes instead of a day, alarms that close soon, and a training that
# does not stand back.
SETTINGS = {
    "CVOPS_DRIFT_REFERENCE_FRAMES": "192",
    "CVOPS_DRIFT_REFERENCE_SPAN_S": "0",
    "CVOPS_DRIFT_HOLD_S": "10",
    "CVOPS_LABELING_LEAST_SPAN_S": "40",
    "CVOPS_INGEST_OFFLINE_AFTER_S": "30",
    "CVOPS_DRIFT_REGIME_S": "5",
    "CVOPS_TRAINER_RUN_NICE": "0",
}


@contextmanager
def platform(data: DataDir) -> Iterator[float]:
    """A running `cvops up`; gives the seconds until it was ready.

    Raises:
        Unavailable: it does not become ready.
    """
    data.path.mkdir(parents=True, exist_ok=True)
    began_s = time.monotonic()
    up = _start_up(data)
    try:
        if not wait_ready(data, _READY_S).ready:
            raise Unavailable(f"the platform is not ready after {_READY_S:.0f} s: look into {data.logs}")
        yield time.monotonic() - began_s
    finally:
        up.stop(_STOP_S)


def _start_up(data: DataDir) -> Child:
    command = [sys.executable, "-m", "cvops", "up", "--port-base", str(_free_port_base())]
    return Child(command, log=data.path / "up.log", env=environment(data))


@contextmanager
def companion(data: DataDir, log: str, *arguments: str) -> Iterator[None]:
    """`cvops ARGUMENTS` beside the platform; it dies with this process. `log` is in the data folder."""
    with (data.path / log).open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "cvops_local.demo.companion", str(os.getpid()), *arguments],
            env=environment(data),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the demo only, which then stops things in order
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_COMPANION_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run(data: DataDir, *arguments: str) -> None:
    """Runs `cvops ARGUMENTS` to its end; Unavailable with its words when it fails."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "cvops", *arguments], env=environment(data), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Unavailable(f"cvops {' '.join(arguments)}: {done.stderr.strip()}")


def environment(data: DataDir, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Ours, but for this platform and no other."""
    kept = {
        name: value for name, value in inherited.items() if not name.startswith("CVOPS_") or name == "CVOPS_CACHE_DIR"
    }
    return kept | SETTINGS | {"CVOPS_DATA_DIR": str(data.path)}


def folder_of(data_dir: Path | None, scratch: str) -> DataDir:
    """The data folder that was asked for, else one that goes away."""
    return DataDir((data_dir or Path(scratch) / "data").resolve())


def _free_port_base() -> int:
    """A port base with nothing listening above it, so that the demo runs beside a platform."""
    return next(base for base in range(17_100, 60_000, 100) if not taken(range(base, base + 100)))
